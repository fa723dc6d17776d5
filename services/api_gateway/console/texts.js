// Every text of the console in one table: key -> [English, Korean].

import { CATALOGUE } from "./texts_catalogue.js";
import { SPEECH } from "./texts_say.js";

const TEXTS = {
  ...SPEECH,
  ...CATALOGUE,
  "login.title": ["Sign in", "로그인"],
  "login.user": ["Name or e-mail", "이름 또는 이메일"],
  "login.password": ["Password", "비밀번호"],
  "login.register": ["Create an account", "계정 만들기"],
  "login.new": ["Create an account", "계정 만들기"],
  "login.name": ["Name", "이름"],
  "login.email": ["E-mail", "이메일"],
  "login.new.password": ["Password, at least 10 characters", "비밀번호, 10자 이상"],
  "login.back": ["Back", "뒤로"],
  "login.or": ["or by an API key", "또는 API 키로"],
  "login.over": ["Your session has ended; sign in again.", "세션이 끝났습니다. 다시 로그인하세요."],
  "login.what": [
    "Both stay in this tab and are forgotten when it is closed.",
    "로그인 정보는 이 탭에만 보관되며 탭을 닫으면 지워집니다.",
  ],
  "nav.tasks": ["Tasks", "작업"],
  "nav.say": ["Say the line", "대사 따라 하기"],
  "nav.history": ["My scores", "내 점수"],
  "nav.catalogue": ["Catalogue", "카탈로그"],
  "login.key": ["API key", "API 키"],
  "login.enter": ["Sign in", "로그인"],
  "login.wrong": ["This key is not known here.", "등록되지 않은 키입니다."],
  "login.where": ["`make up` prints the first key.", "첫 번째 키는 `make up`을 실행하면 출력됩니다."],
  "logout": ["Sign out", "로그아웃"],
  "tasks.title": ["Your tasks", "내 작업"],
  "tasks.none": ["No task yet. Submit a video with POST /tasks/.", "아직 작업이 없습니다. POST /tasks/로 영상을 제출하세요."],
  "tasks.label": ["Label", "라벨링"],
  "tasks.result": ["Result", "결과"],
  "tasks.outputs": ["{n} results", "결과 {n}개"],
  "tasks.away": ["The server does not answer; trying again …", "서버가 응답하지 않습니다. 다시 시도하는 중 …"],
  "state.QUEUED": ["queued", "대기"],
  "state.PENDING": ["pending", "대기"],
  "state.RUNNING": ["running", "실행 중"],
  "state.WAITING": ["waiting for people", "사람을 기다림"],
  "state.SUCCEEDED": ["done", "완료"],
  "state.FAILED": ["failed", "실패"],
  "state.CANCELLED": ["cancelled", "취소됨"],
  "state.DELETING": ["being deleted", "삭제 중"],
  "tasks.delete.title": ["Delete this task?", "이 작업을 삭제할까요?"],
  "tasks.delete.what": [
    "{files} files ({mb} MB) and everything known about the task go. There is no way back.",
    "파일 {files}개({mb} MB)와 이 작업의 모든 기록이 삭제되며 되돌릴 수 없습니다.",
  ],
  "tasks.delete.model": ["Also its deployed model {models}", "배포된 모델 {models}도 삭제"],
  "tasks.delete.no": ["Keep it", "남겨 두기"],
  "classes": ["Classes", "클래스"],
  "boxes": ["Boxes", "상자"],
  "boxes.none": ["No box. Drag over the picture to draw one.", "상자가 없습니다. 그림 위를 끌어서 그리세요."],
  "suggestions": ["Suggestions", "제안"],
  "suggestions.none": ["The model saw nothing here.", "모델이 찾은 대상이 없습니다."],
  "suggestions.nobody": ["No model looked at this frame.", "모델이 분석하지 않은 프레임입니다."],
  "accept": ["Accept all", "모두 수락"],
  "accept.one": ["Accept", "수락"],
  "delete": ["Delete", "삭제"],
  "empty": ["Empty", "비어 있음"],
  "skip": ["Skip", "건너뛰기"],
  "next": ["Next undecided", "다음 미결정"],
  "undo": ["Undo", "실행 취소"],
  "redo": ["Redo", "다시 실행"],
  "fit": ["Fit", "맞춤"],
  "help": ["Keys", "단축키"],
  "finish": ["Finish", "마치기"],
  "finish.sure": [
    "{n} frames are not decided; they will not be used. Finish now?",
    "아직 결정하지 않은 프레임이 {n}개 있으며 사용되지 않습니다. 지금 마칠까요?",
  ],
  "finish.all": ["Every frame is decided. Hand the labels over to training?", "모든 프레임을 결정했습니다. 라벨을 학습에 넘길까요?"],
  "yes": ["Finish", "마치기"],
  "no": ["Go on labeling", "계속 라벨링"],
  "all.decided": ["Every frame is decided", "모든 프레임을 결정했습니다"],
  "all.next": [
    "The task goes on by itself when nobody has a frame open. You can still look through the frames.",
    "열려 있는 프레임이 없으면 작업이 자동으로 계속됩니다. 프레임을 다시 살펴볼 수 있습니다.",
  ],
  "ended": ["This labeling is finished; what you see can no longer be changed.", "라벨링이 끝났습니다. 더 이상 변경할 수 없습니다."],
  "taken": ["Somebody else has this frame open; you can only look.", "다른 사람이 이 프레임을 열었습니다. 보기만 가능합니다."],
  "changed": [
    "Somebody else changed this frame meanwhile; you see that version. Your own is one Undo away.",
    "다른 사람이 이 프레임을 바꾸었습니다. 지금 그 버전이 보입니다. 실행 취소로 내 버전을 되살릴 수 있습니다.",
  ],
  "refused": ["Not stored: {why}", "저장되지 않음: {why}"],
  "image.away": ["The picture of this frame cannot be loaded.", "이 프레임의 그림을 불러올 수 없습니다."],
  "saved": ["saved", "저장됨"],
  "saving": ["saving …", "저장 중 …"],
  "offline": ["offline, {n} to save …", "오프라인, 저장 대기 {n}개 …"],
  "frame": ["Frame {n}", "프레임 {n}"],
  "of": ["{n} of {total}", "{total}개 중 {n}"],
  "remaining": ["{n} remaining", "{n}개 남음"],
  "pace": ["{s} s a frame", "프레임당 {s}초"],
  "left": ["about {m} min left", "약 {m}분 남음"],
  "is.labelled": ["labelled", "라벨 있음"],
  "is.empty": ["empty", "비어 있음"],
  "is.skipped": ["skipped", "건너뜀"],
  "is.unseen": ["undecided", "미결정"],
  "help.draw": ["draw a box (drag over the picture)", "상자 그리기 (그림 위에서 끌기)"],
  "help.edit": ["move a box, resize it by its handles", "상자 옮기기, 손잡이로 크기 조절"],
  "help.nudge": ["move the chosen box by one pixel; Alt: ten", "선택한 상자를 1픽셀 이동, Alt: 10픽셀"],
  "help.class": ["class of the chosen box and of the next ones", "선택한 상자와 다음 상자의 클래스"],
  "help.tab": ["choose the next box", "다음 상자 선택"],
  "help.delete": ["delete the chosen box", "선택한 상자 삭제"],
  "help.accept": ["accept all suggestions; a click on one accepts it alone", "모든 제안 수락, 하나를 클릭하면 그것만 수락"],
  "help.empty": ["nothing is in this frame; go on", "이 프레임은 비어 있음, 다음으로"],
  "help.skip": ["do not use this frame; go on", "이 프레임을 쓰지 않음, 다음으로"],
  "help.arrows": ["previous, next frame", "이전, 다음 프레임"],
  "help.next": ["next undecided frame", "다음 미결정 프레임"],
  "help.undo": ["undo, redo", "실행 취소, 다시 실행"],
  "help.zoom": ["zoom at the pointer", "포인터 위치에서 확대/축소"],
  "help.pan": ["move the picture", "그림 이동"],
  "help.fit": ["fit the picture", "그림 맞추기"],
  "help.key.drag": ["Drag", "끌기"],
  "help.key.wheel": ["Wheel", "휠"],
  "help.key.space": ["Space + drag", "스페이스 + 끌기"],
  "close": ["Close", "닫기"],
};

const CHOSEN = "actverse.language";

export function language() {
  const chosen = localStorage.getItem(CHOSEN);
  if (chosen === "en" || chosen === "ko") return chosen;
  return (navigator.languages ?? [navigator.language]).some((l, n) => n === 0 && l.startsWith("ko")) ? "ko" : "en";
}

export function t(key, values = {}) {
  const text = TEXTS[key]?.[language() === "ko" ? 1 : 0] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Fills every element with data-text (its text) and data-title (its tooltip), and wires the toggle.
export function translate(onChange = () => {}) {
  document.documentElement.lang = language();
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = t(node.dataset.text);
  for (const node of document.querySelectorAll("[data-title]")) {
    node.title = t(node.dataset.title);
    node.setAttribute("aria-label", node.title);
  }
  const toggle = document.getElementById("language");
  if (!toggle) return;
  toggle.textContent = language() === "ko" ? "English" : "한국어";
  toggle.onclick = () => {
    localStorage.setItem(CHOSEN, language() === "ko" ? "en" : "ko");
    translate(onChange);
    onChange();
  };
}
