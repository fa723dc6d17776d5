"""What does not fit in a request, by pydantic's name of the error (`field.<type>`).

The fields of a sentence are those of the error's `ctx`; what an error has no sentence for keeps
pydantic's own. English follows pydantic's words, without plurals that depend on a number.
"""

from __future__ import annotations

FIELDS = {
    "field.missing": {"en": "Field required", "ko": "필수 항목입니다"},
    "field.extra_forbidden": {
        "en": "Extra inputs are not permitted",
        "ko": "알 수 없는 항목입니다. 이름을 확인하거나 빼 주세요",
    },
    "field.model_type": {"en": "Input should be an object", "ko": "객체여야 합니다"},
    "field.model_attributes_type": {"en": "Input should be an object", "ko": "객체여야 합니다"},
    "field.dict_type": {"en": "Input should be an object", "ko": "객체여야 합니다"},
    "field.list_type": {"en": "Input should be a valid list", "ko": "배열이어야 합니다"},
    "field.tuple_type": {"en": "Input should be a valid list", "ko": "배열이어야 합니다"},
    "field.set_type": {"en": "Input should be a valid list", "ko": "배열이어야 합니다"},
    "field.none_required": {"en": "Input should be null", "ko": "null이어야 합니다"},
    "field.greater_than": {
        "en": "Input should be greater than {gt}",
        "ko": "더 커야 합니다. 하한(제외): {gt}",
    },
    "field.greater_than_equal": {
        "en": "Input should be greater than or equal to {ge}",
        "ko": "값이 너무 작습니다. 최솟값: {ge}",
    },
    "field.less_than": {
        "en": "Input should be less than {lt}",
        "ko": "더 작아야 합니다. 상한(제외): {lt}",
    },
    "field.less_than_equal": {
        "en": "Input should be less than or equal to {le}",
        "ko": "값이 너무 큽니다. 최댓값: {le}",
    },
    "field.multiple_of": {
        "en": "Input should be a multiple of {multiple_of}",
        "ko": "다음 수의 배수여야 합니다: {multiple_of}",
    },
    "field.finite_number": {
        "en": "Input should be a finite number",
        "ko": "유한한 수여야 합니다",
    },
    "field.too_short": {
        "en": "Input has too few items; the least number is {min_length}, given: {actual_length}",
        "ko": "항목이 너무 적습니다. 최소 개수: {min_length}, 받은 개수: {actual_length}",
    },
    "field.too_long": {
        "en": "Input has too many items; the largest number is {max_length}",
        "ko": "항목이 너무 많습니다. 최대 개수: {max_length}",
    },
    "field.string_type": {"en": "Input should be a valid string", "ko": "문자열이어야 합니다"},
    "field.string_unicode": {
        "en": "Input should be a valid string of Unicode",
        "ko": "올바른 유니코드 문자열이어야 합니다",
    },
    "field.string_too_short": {
        "en": "Input is too short; the least number of characters is {min_length}",
        "ko": "너무 짧습니다. 최소 글자 수: {min_length}",
    },
    "field.string_too_long": {
        "en": "Input is too long; the largest number of characters is {max_length}",
        "ko": "너무 깁니다. 최대 글자 수: {max_length}",
    },
    "field.string_pattern_mismatch": {
        "en": "Input should match the pattern '{pattern}'",
        "ko": "다음 형식이어야 합니다: '{pattern}'",
    },
    "field.enum": {
        "en": "Input should be one of: {expected}",
        "ko": "다음 중 하나여야 합니다: {expected}",
    },
    "field.literal_error": {
        "en": "Input should be one of: {expected}",
        "ko": "다음 중 하나여야 합니다: {expected}",
    },
    "field.bool_type": {
        "en": "Input should be a valid boolean",
        "ko": "true 또는 false여야 합니다",
    },
    "field.bool_parsing": {
        "en": "Input should be a valid boolean",
        "ko": "true 또는 false여야 합니다",
    },
    "field.int_type": {"en": "Input should be a valid integer", "ko": "정수여야 합니다"},
    "field.int_parsing": {"en": "Input should be a valid integer", "ko": "정수여야 합니다"},
    "field.int_parsing_size": {
        "en": "Input should be a smaller integer; this one has too many digits",
        "ko": "정수의 자릿수가 너무 많습니다",
    },
    "field.int_from_float": {
        "en": "Input should be a valid integer, without a fractional part",
        "ko": "소수 부분이 없는 정수여야 합니다",
    },
    "field.float_type": {"en": "Input should be a valid number", "ko": "숫자여야 합니다"},
    "field.float_parsing": {"en": "Input should be a valid number", "ko": "숫자여야 합니다"},
    "field.datetime_type": {
        "en": "Input should be a date and time, like 2026-03-01T12:00:00Z",
        "ko": "다음과 같은 날짜와 시각이어야 합니다: 2026-03-01T12:00:00Z",
    },
    "field.datetime_parsing": {
        "en": "Input should be a date and time, like 2026-03-01T12:00:00Z",
        "ko": "다음과 같은 날짜와 시각이어야 합니다: 2026-03-01T12:00:00Z",
    },
    "field.datetime_from_date_parsing": {
        "en": "Input should be a date and time, like 2026-03-01T12:00:00Z",
        "ko": "다음과 같은 날짜와 시각이어야 합니다: 2026-03-01T12:00:00Z",
    },
    "field.url_type": {"en": "Input should be a valid URL", "ko": "올바른 URL이어야 합니다"},
    "field.url_parsing": {"en": "Input should be a valid URL", "ko": "올바른 URL이어야 합니다"},
    "field.url_scheme": {
        "en": "The URL should begin with {expected_schemes}",
        "ko": "URL은 다음으로 시작해야 합니다: {expected_schemes}",
    },
    "field.uuid_type": {"en": "Input should be a valid UUID", "ko": "올바른 UUID여야 합니다"},
    "field.uuid_parsing": {"en": "Input should be a valid UUID", "ko": "올바른 UUID여야 합니다"},
    "field.union_tag_invalid": {
        "en": "{discriminator} should be one of: {expected_tags}",
        "ko": "{discriminator}의 값은 다음 중 하나여야 합니다: {expected_tags}",
    },
    "field.union_tag_not_found": {
        "en": "{discriminator} is missing",
        "ko": "다음 항목이 없습니다: {discriminator}",
    },
    "field.value_error": {"en": "Value error, {error}", "ko": "값 오류: {error}"},
    "field.assertion_error": {"en": "Value error, {error}", "ko": "값 오류: {error}"},
    # --- what our own validators say ---
    "value.class_unreadable": {
        "en": "class {number} needs a readable name",
        "ko": "읽을 수 있는 이름이 필요합니다. 클래스 번호: {number}",
    },
    "value.twice": {"en": "{name!r} is there twice", "ko": "두 번 나옵니다: {name!r}"},
    "value.no_step": {
        "en": "there is no step {name!r}; there are: {known}",
        "ko": "없는 단계입니다: {name!r}. 사용할 수 있는 단계: {known}",
    },
    "value.no_event": {
        "en": "there is no event {name!r}; there are: {known}",
        "ko": "없는 이벤트입니다: {name!r}. 사용할 수 있는 이벤트: {known}",
    },
    "value.too_few_frames": {
        "en": "training.min_images is {wanted}, but only num_frames = {frames} frames are "
        "labelled; no training could begin. Lower the one or raise the other.",
        "ko": "training.min_images: {wanted}, 라벨링할 프레임(num_frames): {frames}. 이대로는 학습을 "
        "시작할 수 없습니다. 앞의 값을 낮추거나 뒤의 값을 올려 주세요.",
    },
    "value.labelled_without_box": {
        "en": "a labelled frame needs a box; say `empty` for one without animals",
        "ko": "labelled 프레임에는 상자가 필요합니다. 동물이 없는 프레임은 `empty`로 보내 주세요",
    },
    "value.boxes_without_label": {
        "en": "a frame that is {state} has no boxes",
        "ko": "이 상태의 프레임에는 상자가 있을 수 없습니다: {state}",
    },
    "value.url_or_id": {
        "en": "give either url or id",
        "ko": "url과 id 중 하나만 보내 주세요",
    },
}
