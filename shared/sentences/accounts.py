"""What is said about accounts, logins and sessions."""

from __future__ import annotations

ACCOUNTS = {
    "error.token_expired": {
        "en": "This access token has expired; get the next one from POST /auth/refresh.",
        "ko": "액세스 토큰이 만료되었습니다. POST /auth/refresh로 새 토큰을 받으세요.",
    },
    "error.session_ended": {
        "en": "This session has ended; log in again.",
        "ko": "세션이 종료되었습니다. 다시 로그인해 주세요.",
    },
    "error.wrong_login": {
        "en": "The name or the password is wrong.",
        "ko": "이름 또는 비밀번호가 맞지 않습니다.",
    },
    "error.wrong_password": {
        "en": "The current password is wrong.",
        "ko": "현재 비밀번호가 맞지 않습니다.",
    },
    "error.login_locked": {
        "en": "Too many wrong passwords for this name. Try again in {wait_s:.0f} s.",
        "ko": "이 이름으로 비밀번호를 너무 많이 틀렸습니다. {wait_s:.0f}초 뒤에 다시 시도해 주세요.",
    },
    "error.address_slowed": {
        "en": "Too many attempts came from your address. Come back in {wait_s:.0f} s.",
        "ko": "이 주소에서 시도가 너무 많았습니다. {wait_s:.0f}초 뒤에 다시 시도해 주세요.",
    },
    "error.many_logins": {
        "en": "Many people are logging in at this moment; try again in a few seconds.",
        "ko": "지금 로그인하는 사람이 많습니다. 몇 초 뒤에 다시 시도해 주세요.",
    },
    "error.weak_password": {
        "en": "This password is one of the first that anybody would guess: choose one that is no name "
        "of yours and has at least three different characters.",
        "ko": "쉽게 추측할 수 있는 비밀번호입니다. 이름이나 이메일과 다르고, 서로 다른 문자가 세 개 이상인 "
        "비밀번호를 정해 주세요.",
    },
    "error.registration_closed": {
        "en": "Registration is closed here. Ask an admin for an account, or have the operator set "
        "ACTVERSE_ACCOUNTS__REGISTRATION=open.",
        "ko": "이 서버는 회원 가입을 받지 않습니다. 관리자에게 계정을 요청하거나, 운영자에게 "
        "ACTVERSE_ACCOUNTS__REGISTRATION=open 설정을 요청하세요.",
    },
    "error.name_taken": {
        "en": "The name {name} is taken; choose another.",
        "ko": "이미 사용 중인 이름입니다: {name}. 다른 이름을 정해 주세요.",
    },
    "error.email_taken": {
        "en": "There is an account with this e-mail address; log in, or use another address.",
        "ko": "이 이메일로 만든 계정이 있습니다. 로그인하거나 다른 이메일을 사용해 주세요.",
    },
    "error.bad_name": {
        "en": "A name has letters, digits, spaces and . _ - (64 at most) and begins with a letter or a digit",
        "ko": "이름에는 글자, 숫자, 공백과 . _ - 만 쓸 수 있고(최대 64자) 글자나 숫자로 시작해야 합니다",
    },
    "error.bad_email": {
        "en": "This is no e-mail address; write it like ann@example.org",
        "ko": "이메일 주소가 아닙니다. ann@example.org처럼 써 주세요",
    },
    "error.last_admin": {
        "en": "This is the last admin; make somebody else an admin first.",
        "ko": "마지막 관리자입니다. 먼저 다른 사용자를 관리자로 지정해 주세요.",
    },
    "error.no_user": {
        "en": "There is no user {user_id}; GET /auth/users lists them.",
        "ko": "없는 사용자입니다: {user_id}. 목록은 GET /auth/users에 있습니다.",
    },
    "error.no_key": {
        "en": "You have no API key {key_id}; GET /auth/keys lists yours.",
        "ko": "없는 API 키입니다: {key_id}. 내 키 목록은 GET /auth/keys에 있습니다.",
    },
    "error.many_keys": {
        "en": "You have {most} API keys, as many as one user may; revoke one first.",
        "ko": "API 키가 사용자당 한도에 이르렀습니다. 한도: {most}. 먼저 하나를 폐기해 주세요.",
    },
}
