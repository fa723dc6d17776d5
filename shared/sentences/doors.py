"""What the door says: titles of problems, keys, limits, uploads, servers that are away."""

from __future__ import annotations

DOORS = {
    # --- titles of problem details, by status ---
    "title.400": {"en": "Bad Request", "ko": "잘못된 요청"},
    "title.401": {"en": "Unauthorized", "ko": "인증 필요"},
    "title.403": {"en": "Forbidden", "ko": "권한 없음"},
    "title.404": {"en": "Not Found", "ko": "찾을 수 없음"},
    "title.405": {"en": "Method Not Allowed", "ko": "허용되지 않는 메서드"},
    "title.409": {"en": "Conflict", "ko": "현재 상태와 충돌"},
    "title.412": {"en": "Precondition Failed", "ko": "그사이 변경됨"},
    "title.413": {"en": "Request Entity Too Large", "ko": "요청이 너무 큼"},
    "title.415": {"en": "Unsupported Media Type", "ko": "지원하지 않는 형식"},
    "title.416": {"en": "Requested Range Not Satisfiable", "ko": "제공할 수 없는 범위"},
    "title.422": {"en": "Unprocessable Entity", "ko": "처리할 수 없는 값"},
    "title.429": {"en": "Too Many Requests", "ko": "요청이 너무 많음"},
    "title.500": {"en": "Internal Server Error", "ko": "서버 내부 오류"},
    "title.503": {"en": "Service Unavailable", "ko": "서비스를 사용할 수 없음"},
    "title.507": {"en": "Insufficient Storage", "ko": "저장 공간 부족"},
    # --- who may come in ---
    "error.key_needed": {
        "en": "This needs an API key: send it as 'Authorization: Bearer <key>'. "
        "`make up` prints the first key.",
        "ko": "API 키가 필요합니다. 'Authorization: Bearer <key>' 헤더로 보내 주세요. "
        "첫 번째 키는 `make up`이 출력합니다.",
    },
    "error.key_unknown": {
        "en": "This API key is not known, or was revoked.",
        "ko": "등록되지 않았거나 폐기된 API 키입니다.",
    },
    "error.acting_for": {
        "en": "Your key belongs to {caller!r}; it cannot act for {user_id!r}.",
        "ko": "이 키로는 다른 사용자를 대신할 수 없습니다. 키의 주인: {caller!r}, 요청한 사용자: {user_id!r}.",
    },
    "error.for_admins": {
        "en": "Only admins may do this; you are {caller!r}.",
        "ko": "관리자만 할 수 있는 작업입니다. 현재 사용자: {caller!r}.",
    },
    "error.figures_for_admins": {
        "en": "The figures of the whole mesh are for admins, or for metrics.token.",
        "ko": "전체 지표는 관리자 키나 metrics.token으로만 볼 수 있습니다.",
    },
    # --- how often, and how much ---
    "error.too_often": {
        "en": "More than {per_minute} requests a minute, the limit of one user here. Come back in "
        "{wait_s:.1f} s; GET /status/{{id}}/events tells of changes without asking.",
        "ko": "요청이 너무 많습니다. 사용자당 1분 한도: {per_minute}. {wait_s:.1f}초 뒤에 다시 보내 주세요. "
        "GET /status/{{id}}/events를 쓰면 묻지 않아도 변경을 알 수 있습니다.",
    },
    "error.too_many_streams": {
        "en": "You have {most} event streams open here, as many as one user may. Close some, or ask "
        "GET /status/{{id}} now and then.",
        "ko": "열려 있는 이벤트 스트림이 한도에 이르렀습니다. 사용자당 한도: {most}. 일부를 닫거나 "
        "GET /status/{{id}}로 가끔 확인하세요.",
    },
    "error.stream_closed": {
        "en": "The key or login that opened this stream is not valid any more. Log in again and open "
        "it with Last-Event-ID: it goes on where it ended.",
        "ko": "이 스트림을 연 키나 로그인이 더 이상 유효하지 않습니다. 다시 로그인한 뒤 Last-Event-ID로 열면 "
        "이어서 볼 수 있습니다.",
    },
    "error.too_many_wrong_keys": {
        "en": "Too many wrong API keys came from your address. Come back in {wait_s:.1f} s.",
        "ko": "이 주소에서 잘못된 API 키가 너무 많이 들어왔습니다. {wait_s:.1f}초 뒤에 다시 시도해 주세요.",
    },
    "error.busy_service": {
        "en": "{waiting} pieces of work wait for {where}, more than the limit of {most}; nothing "
        "was accepted. Send this again in {retry_s} s.",
        "ko": "대기 중인 작업이 한도에 이르러 받지 않았습니다. 서비스: {where}, 대기: {waiting}, 한도: "
        "{most}. {retry_s}초 뒤에 다시 보내 주세요.",
    },
    "error.busy_mesh": {
        "en": "{waiting} pieces of work wait in the whole mesh, more than the limit of {most}; "
        "nothing was accepted. Send this again in {retry_s} s.",
        "ko": "전체 대기 작업이 한도에 이르러 받지 않았습니다. 대기: {waiting}, 한도: {most}. "
        "{retry_s}초 뒤에 다시 보내 주세요.",
    },
    "error.body_too_long": {
        "en": "A body of JSON may have {limit_kb} kB; send files to POST /uploads/.",
        "ko": "JSON 본문이 너무 큽니다. 한도: {limit_kb} kB. 파일은 POST /uploads/로 보내 주세요.",
    },
    "error.labels_too_large": {
        "en": "Labels may take {limit_gib} GiB; leave the images out.",
        "ko": "라벨 파일이 너무 큽니다. 한도: {limit_gib} GiB. 이미지를 빼고 보내 주세요.",
    },
    # --- uploads ---
    "error.upload_too_large": {
        "en": "The file is larger than {limit_mb:.0f} MB, the limit here. "
        "Send a shorter or smaller video, or have the operator raise "
        "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES.",
        "ko": "파일이 한도보다 큽니다. 한도: {limit_mb:.0f} MB. 더 짧거나 작은 영상을 보내거나, 운영자에게 "
        "ACTVERSE_GATEWAY__MAX_UPLOAD_BYTES 값을 올려 달라고 요청하세요.",
    },
    "error.not_media": {
        "en": "The upload is {found}; send one media file as multipart/form-data, field 'file'.",
        "ko": "받을 수 없는 파일입니다: {found}. 미디어 파일 하나를 multipart/form-data의 'file' "
        "필드로 보내 주세요.",
    },
    "found.declared": {"en": "declared as {kind}", "ko": "선언된 형식 {kind}"},
    "found.sent": {"en": "sent as {kind}", "ko": "보낸 형식 {kind}"},
    "found.no_media_type": {
        "en": "declared as something that is no media type",
        "ko": "선언된 형식이 미디어 타입이 아님",
    },
    "found.nothing": {"en": "nothing", "ko": "없음"},
    "found.pdf": {"en": "a PDF document", "ko": "PDF 문서"},
    "found.zip": {"en": "a zip archive", "ko": "zip 압축 파일"},
    "found.html": {"en": "an HTML page", "ko": "HTML 페이지"},
    "found.program": {"en": "a program", "ko": "실행 파일"},
    "error.upload_broke_off": {
        "en": "The upload broke off or is not multipart/form-data: {why}.",
        "ko": "업로드가 중단되었거나 multipart/form-data 형식이 아닙니다: {why}.",
    },
    "error.upload_silent": {
        "en": "The upload was silent for {patience_s:.0f} s and was given up; send it again.",
        "ko": "{patience_s:.0f}초 동안 데이터가 오지 않아 업로드를 중단했습니다. 다시 보내 주세요.",
    },
    "error.upload_slow": {
        "en": "The upload came with fewer than {least} bytes a second and was given up; "
        "send it again over a better connection.",
        "ko": "업로드 속도가 초당 {least}바이트보다 느려 중단했습니다. 더 나은 연결에서 다시 보내 주세요.",
    },
    "error.upload_several": {
        "en": "Send one file at a time; this upload has several parts named 'file'.",
        "ko": "파일은 한 번에 하나씩 보내 주세요. 이 업로드에는 'file' 부분이 여러 개 있습니다.",
    },
    "error.upload_without_file": {
        "en": "The upload has no part named 'file' with a filename, or it broke off.",
        "ko": "업로드에 파일 이름이 있는 'file' 부분이 없거나, 전송이 중단되었습니다.",
    },
    "error.upload_empty": {
        "en": "The uploaded file {filename} is empty.",
        "ko": "업로드한 파일이 비어 있습니다: {filename}.",
    },
    "error.form_needed": {
        "en": "Send the file as multipart/form-data, field 'file'.",
        "ko": "파일을 multipart/form-data의 'file' 필드로 보내 주세요.",
    },
    "error.no_direct_uploads": {
        "en": "The files of this installation lie in a folder, which takes no direct uploads. "
        "Send the file to POST /uploads/ (multipart/form-data, field 'file').",
        "ko": "이 설치는 파일을 폴더에 보관하므로 직접 업로드를 받지 않습니다. "
        "POST /uploads/로 보내 주세요(multipart/form-data, 'file' 필드).",
    },
    # --- what was asked for ---
    "error.no_path": {
        "en": "There is no {path} here; /docs lists what there is.",
        "ko": "없는 경로입니다: {path}. 사용할 수 있는 경로는 /docs에 있습니다.",
    },
    "error.wrong_method": {
        "en": "{path} does not take {method}; it takes {allowed}.",
        "ko": "이 경로에 쓸 수 없는 메서드입니다. 경로: {path}, 받은 메서드: {method}, 가능한 메서드: {allowed}.",
    },
    "error.not_json": {
        "en": "The body is not JSON; see /docs for what is expected.",
        "ko": "본문이 JSON이 아닙니다. 필요한 형식은 /docs를 참고하세요.",
    },
    "error.bad_cursor": {
        "en": "The cursor is not one of ours; pass `next` of the page before, unchanged.",
        "ko": "알 수 없는 커서입니다. 앞 페이지의 `next` 값을 그대로 보내 주세요.",
    },
    "error.unsatisfiable_range": {
        "en": "The range {asked!r} lies outside the file, which has {size} bytes. Ask for bytes "
        "before its end, or leave `Range` out.",
        "ko": "요청한 범위가 파일을 벗어납니다. 범위: {asked!r}, 파일 크기: {size}바이트. 파일 끝보다 앞의 "
        "바이트를 요청하거나 `Range` 헤더를 빼 주세요.",
    },
    "error.malformed_range": {
        "en": "The header `Range: {asked}` cannot be read. Write it like `bytes=0-1023`.",
        "ko": "`Range` 헤더를 읽을 수 없습니다: {asked}. `bytes=0-1023`처럼 써 주세요.",
    },
    # --- servers that are away ---
    "error.database_away": {
        "en": "The database does not answer; try again in a moment.",
        "ko": "데이터베이스가 응답하지 않습니다. 잠시 뒤에 다시 시도해 주세요.",
    },
    "error.database_full": {
        "en": "The disk of the database is full, so nothing new is taken; what runs is not lost. "
        "Free some space, then send this again.",
        "ko": "데이터베이스의 디스크가 가득 차서 새 요청을 받지 않습니다. 진행 중인 작업은 사라지지 않습니다. "
        "공간을 확보한 뒤 다시 보내 주세요.",
    },
    "error.database_refused": {
        "en": "The database cannot hold a value of this request: a text with a zero character, or a "
        "number that is too large. Send it again without.",
        "ko": "데이터베이스에 저장할 수 없는 값이 있습니다: 0 문자가 들어 있는 글 또는 너무 큰 수. "
        "고쳐서 다시 보내 주세요.",
    },
    "error.broker_away": {
        "en": "The broker does not answer; try again in a moment.",
        "ko": "메시지 브로커가 응답하지 않습니다. 잠시 뒤에 다시 시도해 주세요.",
    },
    "error.storage_away": {
        "en": "The storage {where} does not answer ({why}).",
        "ko": "저장소가 응답하지 않습니다: {where} ({why}). 잠시 뒤에 다시 시도해 주세요.",
    },
    "error.storage_busy": {
        "en": "The storage {where} cannot answer now ({why}).",
        "ko": "저장소가 지금은 응답할 수 없습니다: {where} ({why}). 잠시 뒤에 다시 시도해 주세요.",
    },
    "error.disk_full": {
        "en": "The disk is full. Free some space, then retry the step; nothing finished is lost.",
        "ko": "디스크가 가득 찼습니다. 공간을 확보한 뒤 단계를 다시 시도하세요. 끝난 결과는 사라지지 않습니다.",
    },
    "error.disk_full_at": {
        "en": "The disk is full while writing {path}. Free some space, then retry the step; nothing "
        "finished is lost.",
        "ko": "파일을 쓰는 중에 디스크가 가득 찼습니다: {path}. 공간을 확보한 뒤 단계를 다시 시도하세요. "
        "끝난 결과는 사라지지 않습니다.",
    },
    "error.not_ready": {
        "en": "Not ready yet; GET /health says what is missing.",
        "ko": "아직 준비되지 않았습니다. 부족한 것은 GET /health에서 볼 수 있습니다.",
    },
    "error.unexpected": {
        "en": "An unexpected error; the log of the gateway has the details.",
        "ko": "예상하지 못한 오류입니다. 자세한 내용은 게이트웨이의 로그에 있습니다.",
    },
}
