"""Locks, races, windows and foreign keys of the catalogue, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import Postgres
from tests.services.audio_analyzer.shelf import Shelf
from tests.services.audio_analyzer.test_catalogue import (  # noqa: F401 - collected here again
    test_a_change_is_refused_that_is_based_on_what_is_no_more,
    test_a_text_that_grows_where_it_is_kept_is_refused_with_its_sentence,
    test_a_zero_character_in_an_address_finds_nothing,
    test_actors_are_listed_by_name,
    test_an_actor_counts_lines_and_goes_only_without_them,
    test_pages_stay_as_they_are_while_lines_are_added,
    test_search_knows_no_case_and_takes_no_letter_for_a_pattern,
    test_two_actors_have_two_names,
)
from tests.services.audio_analyzer.test_mypage import (  # noqa: F401
    learner,
    test_bookmarks,
    test_history_and_best,
)
from tests.services.audio_analyzer.test_preparation import (  # noqa: F401
    test_a_late_job_does_not_overwrite_a_newer_take,
    test_a_line_goes_with_its_files_words_and_work,
    test_a_line_learns_that_nobody_prepares_it_any_more,
    test_takes_are_prepared_again_for_another_version,
)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Shelf]:
    url = postgres.fresh()
    with Shelf.opened(tmp_path_factory.mktemp("data"), database=url) as opened:
        yield opened
    postgres.drop(url)
