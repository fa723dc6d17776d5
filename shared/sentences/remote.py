"""What is said between meshes: signed calls and addresses, analysis servers, those whom they call back."""

from __future__ import annotations

REMOTE = {
    "step.remote_analysis": {
        "en": "comparison by the analysis server",
        "ko": "분석 서버의 비교",
    },
    "step.analysis_service": {"en": "comparison for another mesh", "ko": "다른 서버를 위한 비교"},
    # --- calls that must prove who makes them ---
    "error.call_unsigned": {
        "en": "This call carries no signature. Send webhook-id, webhook-timestamp and "
        "webhook-signature as Standard Webhooks describes them.",
        "ko": "서명이 없는 호출입니다. Standard Webhooks 규격의 webhook-id, webhook-timestamp, "
        "webhook-signature 헤더를 보내 주세요.",
    },
    "error.call_forged": {
        "en": "The signature of this call does not fit its content.",
        "ko": "이 호출의 서명이 내용과 맞지 않습니다.",
    },
    "error.call_too_old": {
        "en": "This call was signed more than {window_s} seconds ago, or its sender's clock is "
        "wrong. Sign it anew.",
        "ko": "서명한 지 너무 오래되었거나 보낸 쪽의 시계가 맞지 않습니다. 허용 시간: {window_s}초. 다시 서명해 주세요.",
    },
    "error.frame_link_unsigned": {
        "en": "This address of a frame is not signed by this mesh.",
        "ko": "이 서버가 서명한 프레임 주소가 아닙니다.",
    },
    "error.frame_link_expired": {
        "en": "This address of a frame has expired. Open the labeling again, or have addresses live "
        "longer with ACTVERSE_LABELING__FRAME_LINK_S.",
        "ko": "만료된 프레임 주소입니다. 라벨링을 다시 열거나 ACTVERSE_LABELING__FRAME_LINK_S로 유효 시간을 늘리세요.",
    },
    "error.frame_link_of_what": {
        "en": "Only images of frames have such addresses.",
        "ko": "프레임 이미지에만 이런 주소가 있습니다.",
    },
    "error.audio_link_unsigned": {
        "en": "This address of audio is not signed by this mesh.",
        "ko": "이 서버가 서명한 음성 주소가 아닙니다.",
    },
    "error.audio_link_expired": {
        "en": "This address of audio has expired. Ask for the analysis again, or have addresses live "
        "longer with ACTVERSE_SPEECH__LINK_S.",
        "ko": "만료된 음성 주소입니다. 분석을 다시 요청하거나 ACTVERSE_SPEECH__LINK_S로 유효 시간을 늘리세요.",
    },
    "error.audio_link_of_what": {
        "en": "Only recordings and actors' takes have such addresses.",
        "ko": "녹음과 배우의 음성에만 이런 주소가 있습니다.",
    },
    "error.audio_gone": {
        "en": "This audio is not stored here any more.",
        "ko": "이 음성은 더 이상 저장되어 있지 않습니다.",
    },
    # --- an analysis server elsewhere ---
    "analysis.unanswered": {
        "en": "The analysis server took the recording and never answered. Send it again.",
        "ko": "분석 서버가 녹음을 받은 뒤 응답하지 않았습니다. 녹음을 다시 보내 주세요.",
    },
    "analysis.server_away": {
        "en": "The analysis server does not answer. Send the recording again in a few minutes.",
        "ko": "분석 서버가 응답하지 않습니다. 몇 분 뒤에 녹음을 다시 보내 주세요.",
    },
    "error.no_public_url": {
        "en": "An analysis server cannot reach this mesh, because nobody said where it is. Set "
        "ACTVERSE_GATEWAY__PUBLIC_URL to the address under which the gateway is reached.",
        "ko": "분석 서버가 이 서버에 접속할 주소가 설정되지 않았습니다. ACTVERSE_GATEWAY__PUBLIC_URL에 "
        "게이트웨이의 공개 주소를 지정하세요.",
    },
    "error.no_analysis_server": {
        "en": "This recording was to be compared by an analysis server, and none is configured any "
        "more. Send the recording again, or set ACTVERSE_SPEECH__ANALYSIS_SERVER.",
        "ko": "이 녹음을 비교할 분석 서버가 더 이상 설정되어 있지 않습니다. 녹음을 다시 보내거나 "
        "ACTVERSE_SPEECH__ANALYSIS_SERVER를 지정하세요.",
    },
    "error.no_link_secret": {
        "en": "Gateways and workers share no folder here, so they cannot keep a secret together. "
        "Set ACTVERSE_SPEECH__LINK_SECRET to the same long random text for all of them.",
        "ko": "게이트웨이와 작업자가 폴더를 공유하지 않아 비밀 값을 함께 보관할 수 없습니다. 모두 같은 긴 임의의 값으로 "
        "ACTVERSE_SPEECH__LINK_SECRET을 지정하세요.",
    },
    "error.server_away": {
        "en": "The analysis server {server} does not answer ({why}).",
        "ko": "분석 서버가 응답하지 않습니다: {server} ({why}).",
    },
    "error.server_resting": {
        "en": "The analysis server {server} has failed {failures} times in a row; it is asked again "
        "in {wait_s:.0f} seconds.",
        "ko": "분석 서버가 연속으로 실패했습니다: {server}, 실패 횟수: {failures}. {wait_s:.0f}초 뒤에 다시 요청합니다.",
    },
    "error.server_refused": {
        "en": "The analysis server {server} does not take this request (HTTP {status}). {said}",
        "ko": "분석 서버가 요청을 받지 않았습니다: {server} (HTTP {status}). {said}",
    },
    "error.server_key": {
        "en": "The analysis server {server} does not know our key (HTTP {status}). Set "
        "ACTVERSE_SPEECH__ANALYSIS_KEY to one of its API keys.",
        "ko": "분석 서버가 키를 인정하지 않습니다: {server} (HTTP {status}). ACTVERSE_SPEECH__ANALYSIS_KEY에 "
        "분석 서버의 API 키를 지정하세요.",
    },
    "error.server_failed": {
        "en": "The analysis server could not compare the recording: {said}",
        "ko": "분석 서버가 녹음을 비교하지 못했습니다: {said}",
    },
    "error.not_json": {
        "en": "The body cannot be read as JSON.",
        "ko": "본문을 JSON으로 읽을 수 없습니다.",
    },
    "error.scores_of_nothing": {
        "en": "A result has scores where its RecognitionStatus is Success, and nowhere else.",
        "ko": "점수는 RecognitionStatus가 Success일 때만 있어야 합니다.",
    },
    "error.result_missing": {
        "en": "A success needs its result, and a failure has none.",
        "ko": "성공에는 result가 있어야 하고 실패에는 없어야 합니다.",
    },
    "error.not_waiting_yet": {
        "en": "This analysis does not wait for its result yet. Send it again in a second.",
        "ko": "아직 결과를 받을 준비가 되지 않았습니다. 잠시 뒤에 다시 보내 주세요.",
    },
    # --- ourselves as such a server ---
    "error.fetched_too_large": {
        "en": "{where} is larger than {limit_mb} MB, the limit for audio here.",
        "ko": "음성 파일이 한도보다 큽니다: {where}, 한도: {limit_mb} MB.",
    },
    "error.fetched_nothing": {
        "en": "{where} answered HTTP {status} instead of audio. Check the address, or whether it "
        "has expired.",
        "ko": "음성 대신 HTTP {status} 응답을 받았습니다: {where}. 주소와 만료 여부를 확인하세요.",
    },
    "error.fetched_busy": {
        "en": "{where} is busy or broken just now (HTTP {status}).",
        "ko": "지금은 파일을 받을 수 없습니다: {where} (HTTP {status}).",
    },
    "error.webhook_refused": {
        "en": "The webhook {where} does not take the answer (HTTP {status}).",
        "ko": "웹훅이 결과를 받지 않았습니다: {where} (HTTP {status}).",
    },
    "error.webhook_busy": {
        "en": "The webhook {where} cannot take the answer just now (HTTP {status}).",
        "ko": "웹훅이 지금은 결과를 받을 수 없습니다: {where} (HTTP {status}).",
    },
    "error.comparison_stopped": {
        "en": "The analysis server has stopped this comparison.",
        "ko": "분석 서버가 이 비교를 중단했습니다.",
    },
    "error.text_or_words": {
        "en": "Send the text, or its words; together at most {most} characters.",
        "ko": "텍스트나 단어 목록을 보내 주세요. 최대 글자 수: {most}.",
    },
    "error.webhook_secret": {
        "en": "A secret is 'whsec_' and the base64 of 24 to 64 random bytes.",
        "ko": "비밀 값은 'whsec_' 뒤에 24~64바이트 임의 값의 base64를 붙인 것입니다.",
    },
}
