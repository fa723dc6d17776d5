"""What is said about tasks, files, labels and rounds that are not there, or cannot do this now."""

from __future__ import annotations

WORK = {
    # --- tasks ---
    "error.no_task": {
        "en": "There is no task {task_id}; GET /tasks/ lists yours.",
        "ko": "없는 작업입니다: {task_id}. 내 작업은 GET /tasks/에서 볼 수 있습니다.",
    },
    "error.no_pipeline": {
        "en": "There is no pipeline {name!r}; there are: {known}.",
        "ko": "없는 파이프라인입니다: {name!r}. 사용할 수 있는 파이프라인: {known}.",
    },
    "error.not_submittable": {
        "en": "Pipeline {name!r} is a single step with an endpoint of its own, see /docs. "
        "POST /tasks/ takes: {known}.",
        "ko": "이 파이프라인은 전용 엔드포인트가 있는 단일 단계입니다: {name!r}. /docs를 참고하세요. "
        "POST /tasks/가 받는 것: {known}.",
    },
    "error.key_reused": {
        "en": "Idempotency-Key {key!r} was used for a different request; use a new key for a new "
        "task or round.",
        "ko": "다른 요청에 이미 쓰인 Idempotency-Key입니다: {key!r}. 새 작업이나 라운드에는 새 키를 쓰세요.",
    },
    "error.no_answer": {
        "en": "Step {step} has waited for {minutes:.0f} minutes and nobody answered. Look whether "
        "the server that was asked still runs, then retry the step.",
        "ko": "기다리던 응답이 오지 않았습니다. 단계: {step}, 기다린 시간: {minutes:.0f}분. 요청을 받은 서버가 동작하는지 "
        "확인한 뒤 단계를 다시 시도하세요.",
    },
    "error.nothing_to_cancel": {
        "en": "Task {task_id} is already {state}; nothing to cancel.",
        "ko": "이미 끝난 작업이라 취소할 것이 없습니다: {task_id} (상태: {state}).",
    },
    "error.retry_while_open": {
        "en": "Task {task_id} is {state}; cancel it first, or wait for its end.",
        "ko": "작업이 아직 끝나지 않았습니다: {task_id} (상태: {state}). 먼저 취소하거나 끝날 때까지 기다리세요.",
    },
    "error.still_stopping": {
        "en": "A step of task {task_id} is still stopping; try again in a moment.",
        "ko": "작업의 한 단계가 아직 멈추는 중입니다: {task_id}. 잠시 뒤에 다시 시도해 주세요.",
    },
    "error.name_the_step": {
        "en": "Task {task_id} has succeeded; name the step that should run again.",
        "ko": "이미 성공한 작업입니다: {task_id}. 다시 실행할 단계의 이름을 보내 주세요.",
    },
    "error.no_step": {
        "en": "Task {task_id} has no step {step!r}; its steps: {known}.",
        "ko": "작업에 없는 단계입니다: {step!r} (작업: {task_id}). 이 작업의 단계: {known}.",
    },
    "error.step_too_early": {
        "en": "Step {step} cannot run before the steps that lead to it.",
        "ko": "앞선 단계가 끝나야 실행할 수 있는 단계입니다: {step}.",
    },
    "error.no_output": {
        "en": "Task {task_id} has no output {name!r}; GET /tasks/{task_id} lists them.",
        "ko": "작업에 없는 결과 파일입니다: {name!r}. 목록은 GET /tasks/{task_id}에서 볼 수 있습니다.",
    },
    # --- files ---
    "error.no_upload": {
        "en": "There is no upload {upload_id} of yours.",
        "ko": "내 업로드 중에 없습니다: {upload_id}.",
    },
    "error.no_file_of_yours": {
        "en": "There is no file {key!r} of yours; keys look like videos/<task_id>/....",
        "ko": "내 파일 중에 없습니다: {key!r}. 키는 videos/<task_id>/... 형태입니다.",
    },
    "error.nothing_stored": {
        "en": "Nothing is stored under {key!r}.",
        "ko": "저장된 것이 없습니다: {key!r}.",
    },
    "error.not_made_yet": {
        "en": "Nothing is stored under {key!r}. The step that makes it has not run, or it was "
        "deleted.",
        "ko": "저장된 것이 없습니다: {key!r}. 이것을 만드는 단계가 아직 실행되지 않았거나 삭제되었습니다.",
    },
    "error.not_stored_here": {
        "en": "{key!r} is not stored here; fetch it with POST /video/download first.",
        "ko": "여기에 저장되지 않은 파일입니다: {key!r}. 먼저 POST /video/download로 가져오세요.",
    },
    "error.files_of_your_machine": {
        "en": "{why} Files of your own machine go to POST /uploads/.",
        "ko": "{why} 내 컴퓨터의 파일은 POST /uploads/로 보내 주세요.",
    },
    "error.unknown_scheme": {
        "en": "Videos cannot be fetched from {scheme}://; use one of {known}.",
        "ko": "영상을 가져올 수 없는 주소입니다: {scheme}://. 다음 중 하나를 쓰세요: {known}.",
    },
    "error.no_host": {
        "en": "{url!r} names no host.",
        "ko": "주소에 호스트가 없습니다: {url!r}.",
    },
    "error.no_weights": {
        "en": "weights: there is no registered model {name!r} of yours; write 'global', or "
        "'<model>/<version>' as GET /models lists them.",
        "ko": "weights: 내 모델 중에 등록되지 않았습니다: {name!r}. 'global' 또는 GET /models에 나오는 "
        "'<model>/<version>'을 쓰세요.",
    },
    "error.absolute_path": {
        "en": "{path!r} is absolute; name a path below your own files/.",
        "ko": "절대 경로입니다: {path!r}. 내 files/ 아래의 경로를 쓰세요.",
    },
    "error.frame_gone": {
        "en": "This frame is not stored any more.",
        "ko": "더 이상 저장되어 있지 않은 프레임입니다.",
    },
    # --- labeling ---
    "error.label_studio_not_connected": {
        "en": "No Label Studio is connected. Start one with `make labelstudio`, or set "
        "ACTVERSE_LABELING__LABEL_STUDIO_URL (http:// or https://) and "
        "ACTVERSE_LABELING__LABEL_STUDIO_TOKEN.",
        "ko": "연결된 Label Studio가 없습니다. `make labelstudio`로 시작하거나 다음 설정을 지정하세요: "
        "ACTVERSE_LABELING__LABEL_STUDIO_URL (http:// 또는 https://), "
        "ACTVERSE_LABELING__LABEL_STUDIO_TOKEN.",
    },
    "error.cvat_not_connected": {
        "en": "No CVAT is connected. Set ACTVERSE_LABELING__CVAT_URL (http:// or https://) and "
        "ACTVERSE_LABELING__CVAT_TOKEN, or ..._CVAT_LOGIN (user:password).",
        "ko": "연결된 CVAT이 없습니다. 다음 설정을 지정하세요: ACTVERSE_LABELING__CVAT_URL (http:// 또는 "
        "https://), ACTVERSE_LABELING__CVAT_TOKEN 또는 ..._CVAT_LOGIN (user:password).",
    },
    "error.labeler_not_connected": {
        "en": "labeler: {labeler!r} cannot be used here. {why} The labelers 'builtin', 'folder' and "
        "'auto' need nothing else.",
        "ko": "labeler: 여기서는 사용할 수 없습니다: {labeler!r}. {why} 다음 라벨러는 바로 쓸 수 있습니다: "
        "'builtin', 'folder', 'auto'.",
    },
    "error.no_labeling": {
        "en": "Task {task_id} has no labeling yet; its frames are not ready.",
        "ko": "아직 라벨링이 시작되지 않은 작업입니다: {task_id}. 프레임이 준비되지 않았습니다.",
    },
    "error.no_frames": {
        "en": "Task {task_id} has no frames yet; labels are imported for its frames.",
        "ko": "아직 프레임이 없는 작업입니다: {task_id}. 라벨은 작업의 프레임에 대해 가져옵니다.",
    },
    "error.no_drafts": {
        "en": "The labeling of task {task_id} is gone from the built-in labeler, or was never "
        "there. Retry the labeling step of the task.",
        "ko": "내장 라벨러에 이 작업의 라벨링이 없습니다: {task_id}. 작업의 라벨링 단계를 다시 시도하세요.",
    },
    "error.labeling_ended": {
        "en": "The labeling of task {task_id} is finished, and its labels are on their way to "
        "training. Label more frames in a further round.",
        "ko": "라벨링이 끝나 라벨이 학습으로 넘어가고 있습니다: {task_id}. 다음 라운드에서 더 라벨링하세요.",
    },
    "error.frame_taken": {
        "en": "Somebody else has frame {frame} open. Take another; it is free a minute after the "
        "last change.",
        "ko": "다른 사람이 열어 둔 프레임입니다: {frame}. 다른 프레임을 고르세요. 마지막 변경에서 1분이 "
        "지나면 풀립니다.",
    },
    "error.frame_changed": {
        "en": "Frame {frame} was changed by somebody else meanwhile. Look at the version that comes "
        "with this answer (`frame`), then draw again.",
        "ko": "그 사이 다른 사람이 바꾼 프레임입니다: {frame}. 함께 온 최신 내용(`frame`)을 확인한 뒤 다시 "
        "그려 주세요.",
    },
    "error.labeled_elsewhere": {
        "en": "The frames of task {task_id} are being labelled in {engine}. Import the labels "
        "there, or here once that labeling is finished.",
        "ko": "다른 도구에서 라벨링 중인 작업입니다: {task_id} (도구: {engine}). 그 도구에서 가져오거나, "
        "라벨링이 끝난 뒤 여기서 가져오세요.",
    },
    "error.nothing_matched": {
        "en": "None of the {pictures} images in the file (as {theirs}) is a frame of task {task_id}. "
        "Name the images like the task's frames, for example {name}.",
        "ko": "파일에 있는 이미지 {pictures}개(예: {theirs}) 중 이 작업의 프레임이 없습니다: {task_id}. 이미지 "
        "이름을 작업의 프레임과 같게 해 주세요(예: {name}).",
    },
    "error.nothing_looked_at": {
        "en": "{matched} of the {pictures} images in the file are frames of task {task_id}, but the "
        "file has no label for any of them, so nothing was taken. Export it with its annotations; "
        "an image without animals has to be confirmed as empty.",
        "ko": "파일의 이미지 {pictures}개 중 {matched}개가 이 작업의 프레임이지만, 라벨이 하나도 없어 가져오지 "
        "않았습니다: {task_id}. 어노테이션을 포함해 내보내세요. 동물이 없는 이미지는 비어 있음으로 "
        "확인되어 있어야 합니다.",
    },
    # --- rounds ---
    "error.round_open": {
        "en": "Round {number} is still open (task {task_id}). Finish it, or give it up with "
        "POST /tasks/{task_id}/cancel; what was labelled by then is kept.",
        "ko": "아직 끝나지 않은 라운드가 있습니다: {number} (작업 {task_id}). 끝내거나 "
        "POST /tasks/{task_id}/cancel로 그만두세요. 그때까지의 라벨은 보관됩니다.",
    },
    "error.round_open_at": {
        "en": "Round {number} is still open at step {step} (task {task_id}). Finish it, or give it "
        "up with POST /tasks/{task_id}/cancel; what was labelled by then is kept.",
        "ko": "아직 끝나지 않은 라운드가 있습니다: {number} (작업 {task_id}, 단계 {step}). 끝내거나 "
        "POST /tasks/{task_id}/cancel로 그만두세요. 그때까지의 라벨은 보관됩니다.",
    },
    "error.no_rounds": {
        "en": "Task {task_id} ran the pipeline {pipeline!r}; further rounds belong to a task of the "
        "pipeline 'vision', which POST /tasks/ starts.",
        "ko": "라운드를 더할 수 없는 작업입니다: {task_id} (파이프라인: {pipeline!r}). 라운드는 "
        "POST /tasks/로 시작한 'vision' 작업에만 있습니다.",
    },
    # --- steps that did not end well ---
    "error.given_up": {
        "en": "{why} Given up after {tries} tries; retry the step once that is mended.",
        "ko": "{why} 재시도한 뒤 중단했습니다. 시도 횟수: {tries}. 원인을 해결한 뒤 단계를 다시 시도하세요.",
    },
    "error.step_overdue": {
        "en": "Step {step} has been running since {started}, longer than its deadline allows. "
        "Look at the service's log, then retry the step.",
        "ko": "단계가 제한 시간을 넘겼습니다: {step} (시작: {started}). 서비스 로그를 확인한 뒤 단계를 다시 "
        "시도하세요.",
    },
    # --- webhooks and news ---
    "error.too_many_webhooks": {
        "en": "You have {most} webhooks, the most that are allowed. DELETE /webhooks/{{id}} removes "
        "one.",
        "ko": "웹훅 수가 한도에 이르렀습니다. 한도: {most}. DELETE /webhooks/{{id}}로 하나를 지우세요.",
    },
    "error.no_addresses": {
        "en": "You have no addresses yet; give some with PUT /notifications.",
        "ko": "아직 등록된 주소가 없습니다. PUT /notifications로 등록하세요.",
    },
}
