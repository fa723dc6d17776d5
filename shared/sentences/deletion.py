"""What is said when a task is deleted, and why it cannot be."""

from __future__ import annotations

DELETION = {
    "error.delete_open": {
        "en": "Task {task_id} is {state}; cancel it first (POST /tasks/{task_id}/cancel), then delete "
        "it.",
        "ko": "끝나지 않은 작업은 삭제할 수 없습니다: {task_id} (상태: {state}). "
        "먼저 POST /tasks/{task_id}/cancel로 취소하세요.",
    },
    "error.delete_needed": {
        "en": "Task {task_id} is needed by other tasks: {needs}. Delete those first, the newest first.",
        "ko": "다른 작업에 필요한 작업입니다: {task_id}. 이 작업이 필요한 작업: {needs}. "
        "최신 것부터 먼저 삭제하세요.",
    },
    "error.delete_served": {
        "en": "The model of task {task_id} is deployed ({versions}). Say model=true to take it off the "
        "server and delete it too.",
        "ko": "모델이 배포되어 있는 작업입니다: {task_id} ({versions}). 모델까지 서버에서 내리고 "
        "삭제하려면 model=true를 지정하세요.",
    },
    "error.delete_current": {
        "en": "{version}, which task {task_id} has made, is the current version. Make another one "
        "current first (POST /models/{root}/rollback or /promote), then delete the task.",
        "ko": "이 작업이 만든 버전이 현재 버전입니다: {task_id} ({version}). 먼저 POST "
        "/models/{root}/rollback 또는 /promote로 다른 버전을 현재 버전으로 바꾼 뒤 삭제하세요.",
    },
    "error.being_deleted": {
        "en": "Task {task_id} is being deleted; nothing can be done with it any more.",
        "ko": "삭제 중인 작업이라 더 이상 사용할 수 없습니다: {task_id}.",
    },
    "deletion.keeps_upload": {
        "en": "The upload {source} stays: it is yours, and other tasks may begin with it.",
        "ko": "업로드한 파일은 남습니다: {source}. 다른 작업에서 다시 쓸 수 있습니다.",
    },
    "deletion.keeps_copies": {
        "en": "Copies of the results below files/{user_id}/{path} stay.",
        "ko": "결과의 사본은 남습니다: files/{user_id}/{path}.",
    },
    "deletion.keeps_labeling": {
        "en": "What the labeling tool {tool} has ({where}) stays there; remove it in the tool.",
        "ko": "라벨링 도구에 있는 내용은 남습니다: {tool} ({where}). 도구에서 직접 지워 주세요.",
    },
}
