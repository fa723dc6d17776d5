"""Saying a line after an actor, in a real browser that hears a file for a microphone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Route, expect, sync_playwright

from shared.db.speech_models import AnalysisResult
from tests.browser.chromium import chromium
from tests.browser.speaking import BEFORE_S, LINE, WITHIN_S, Booth, Learner, microphone
from tests.services.audio_analyzer import sounds

Shots = Callable[[str], str | None]
Invite = Callable[..., Learner]
TICK_S = 1e-7
WORDS = len(sounds.line(LINE).split())

PAINTED = """(canvas) => {
  const pen = canvas.getContext("2d");
  const [width, height] = [canvas.width, canvas.height];
  const rows = (from, to) => {
    const { data } = pen.getImageData(0, height * from, width, height * (to - from));
    const seen = { actor: 0, own: 0 };
    for (let n = 0; n < data.length; n += 4) {
      const [r, g, b] = [data[n], data[n + 1], data[n + 2]];
      if (b > 230 && r < 120) seen.actor += 1;
      if (r > 230 && b < 120 && g > 150) seen.own += 1;
    }
    return seen;
  };
  return { top: rows(0.08, 0.3), middle: rows(0.34, 0.72), bottom: rows(0.78, 1) };
}"""


@pytest.fixture(scope="module")
def booth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Booth]:
    with Booth.opened(tmp_path_factory.mktemp("data")) as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    heard = microphone(tmp_path_factory.mktemp("sound"))
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox",
                "--disable-dev-shm-usage",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={heard}",
            ],
        )
        yield opened
        opened.close()


@pytest.fixture
def invite(browser: Browser, booth: Booth) -> Iterator[Invite]:
    """Brings learners; at the end, none of their pages has broken or met the content policy."""
    learners: list[Learner] = []
    contexts = []

    def one(user: str | None = "ann", locale: str = "en-GB", *, microphone: bool = True) -> Learner:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            locale=locale,
            color_scheme="dark",
            permissions=["microphone"] if microphone else [],
        )
        contexts.append(context)
        key = booth.door.key_of(user) if user else None
        learners.append(Learner(context, booth, key=key))
        return learners[-1]

    yield one
    for context in contexts:
        context.close()
    assert [learner.errors for learner in learners] == [[]] * len(learners)


def shown(score: float) -> str:
    """As JavaScript rounds: halves up, not to even."""
    return str(int(score + 0.5))


def test_a_line_is_said_and_compared_word_by_word(booth: Booth, invite: Invite, shots: Shots):
    learner = invite(user=None)
    page = learner.page
    page.goto(booth.page)
    learner.registers("bea")
    if shots(""):  # one line is few for a picture
        booth.ready(booth.add("tokens", "king", sounds.sample("king_actor"), film="The Crown"))
        page.reload()
    expect(page.locator("#lines li").first).to_be_visible()  # what has no audio is not offered
    learner.shot(shots("say-catalogue.png"))
    page.fill("#search", "LIGHTHOUSE")
    expect(page.locator("#lines li")).to_have_count(1)
    page.click("#lines a")
    page.click(".listening button")
    expect(page.locator(".listening")).to_have_attribute("data-playing", "actor")

    page.click("[data-act='record']")
    page.wait_for_function("() => document.querySelector('meter').value > 0.3")
    learner.shot(shots("say-recording.png"))
    spoken_s = BEFORE_S + len(sounds.heard(f"{LINE}_learner")) / sounds.RATE
    page.wait_for_function(
        "(s) => parseFloat(document.querySelector('.clock')?.textContent) > s", arg=spoken_s + 0.5
    )
    expect(page.locator(".listening")).not_to_have_attribute("data-playing", "actor")
    page.click("[data-act='record.stop']")
    expect(page.locator("#attempt")).to_contain_text(re.compile(r"Your take: \d+\.\d s"))
    page.click("[data-act='record.send']")
    job = learner.gets_result()

    steps = (page.locator("#compared").get_attribute("data-progress") or "").split()
    assert steps == sorted(steps, key=int)
    assert steps[-1] == "100"
    with booth.door.platform.reads() as session:
        result = session.get_one(AnalysisResult, job).result or {}
    best = result["NBest"][0]
    scores = best["PronunciationAssessment"]
    expect(page.locator(".ring .number")).to_have_text(shown(scores["PronScore"]))
    expect(page.locator(".sides b").first).to_have_text(shown(scores["AccuracyScore"]))
    expect(page.locator(".chart .word")).to_have_count(WORDS)
    expect(page.locator(".words tbody tr")).to_have_count(WORDS)
    expect(page.locator(".advice li").first).to_contain_text(" ")  # a sentence, not a code
    painted = page.locator(".chart canvas").evaluate(PAINTED)
    assert painted["top"]["actor"] > 1000
    assert painted["bottom"]["own"] > 1000
    assert min(painted["middle"].values()) > 300  # the melody of both

    word = best["Words"][4]
    page.evaluate("window.heard.length = 0")
    page.click(".chart .word[data-position='4']")
    page.wait_for_function("() => window.heard.length === 2")  # the actor, then the learner
    for (start, length, _), where in zip(learner.heard(), (word["Reference"], word), strict=True):
        assert start == pytest.approx(where["Offset"] * TICK_S, abs=0.05)
        assert length == pytest.approx(where["Duration"] * TICK_S, abs=0.1)
    expect(page.locator(".words tr.chosen")).to_have_attribute("data-position", "4")
    learner.shot(shots("say-result.png"), whole=True)
    page.click("#align")
    learner.shot(shots("say-as-spoken.png"))


def test_left_out_words_are_marked_and_takes_make_a_trend(
    booth: Booth, invite: Invite, shots: Shots
):
    learner = invite("ann", "ko-KR").opens()
    page = learner.page
    learner.uploads("skips.ogg", sounds.sample(f"{LINE}_skips"))
    first = learner.gets_result()
    expect(page.locator("#logout")).to_have_text("로그아웃")
    expect(page.locator(".advice li").first).to_contain_text(re.compile("[가-힣]"))
    entries = booth.result("ann", first)["result"]["NBest"][0]["Words"]
    left_out = [
        n
        for n, word in enumerate(entries)
        if word["PronunciationAssessment"]["ErrorType"] == "Omission"
    ]
    assert left_out
    for position in left_out:
        expect(page.locator(f".word.omitted[data-position='{position}']")).to_be_visible()
        row = page.locator(f".words tr[data-position='{position}']")
        expect(row).to_contain_text("빠짐")
        expect(row.locator("button.own")).to_be_disabled()
    expect(page.locator(".word.omitted")).to_have_count(len(left_out))

    learner.uploads("learner.ogg", sounds.sample(f"{LINE}_learner"))
    page.wait_for_url(lambda url: first not in url)
    second = learner.gets_result()
    expect(page.locator(".trend circle")).to_have_count(2)
    scores = [booth.result("ann", job)["result"]["NBest"][0] for job in (first, second)]
    best = max(each["PronunciationAssessment"]["PronScore"] for each in scores)
    expect(page.locator(".line .badge b")).to_have_text(shown(best))
    page.click(".line .star")
    expect(page.locator(".line .star")).to_have_attribute("aria-pressed", "true")
    learner.shot(shots("say-result-ko.png"), whole=True)

    page.click("#to-history")
    expect(page.locator(f"[data-job='{second}']").first).to_contain_text("Bea Marlow")
    learner.shot(shots("say-history-ko.png"))
    page.locator(f"[data-job='{first}'] a").last.click()
    learner.gets_result()
    assert page.url.endswith(first)
    page.goto(f"{booth.page}#/bookmarks")
    expect(page.locator(f"[data-line='{booth.token}']")).to_be_visible()
    page.click(f"[data-line='{booth.token}'] .star")
    with booth.door.client("ann") as ann:
        page.wait_for_function("() => document.querySelector('.star').ariaPressed === 'false'")
        assert ann.get("/mypage/bookmarks").json()["items"] == []


def test_what_cannot_be_compared_says_why(invite: Invite):
    learner = invite().opens()
    page = learner.page
    learner.uploads("letter.ogg", b"Dear diary, " * 400)
    expect(page.locator("#attempt.wrong")).to_contain_text("cannot be read as sound")
    expect(page.locator("[data-act='record']")).to_be_enabled()
    page.click("#language")
    expect(page.locator("#attempt.quiet")).to_contain_text("파일")  # the page was drawn anew
    learner.uploads("letter.ogg", b"Dear diary, " * 400)
    expect(page.locator("#attempt.wrong")).to_contain_text("소리로 읽을 수 없는")
    page.click("#language")
    expect(page.locator("#attempt.quiet")).to_contain_text("audio file")
    learner.uploads("silence.wav", sounds.encoded(sounds.silence(2.0)))
    learner.gets_result()
    notice = page.locator(".notice[data-status='InitialSilenceTimeout']")
    expect(notice).to_contain_text("silent")
    expect(page.locator(".ring")).to_have_count(0)  # noise never gets a number
    page.goto(f"{learner.booth.page}#/tokens/nothing")
    expect(page.locator("#view .wrong")).to_contain_text("nothing")


@pytest.mark.slow
def test_a_take_of_the_actor_that_cannot_be_used_says_why(booth: Booth, invite: Invite):
    learner = invite()
    page = learner.page
    token = booth.add("tokens", "train", sounds.encoded(sounds.silence(2.0)), film="Quiet")
    page.goto(f"{booth.page}#/tokens/{token}")
    expect(page.locator(".own-part .wrong")).to_contain_text("silent", timeout=60_000)
    expect(page.locator("[data-act='record']")).to_have_count(0)


@pytest.mark.slow
def test_scripts_are_said_as_quotes_are(booth: Booth, invite: Invite):
    learner = invite("dora")
    page = learner.page
    script = booth.add("scripts", "train", sounds.sample("train_actor"), title="Last train")
    page.goto(f"{booth.page}#/scripts/{script}")
    expect(page.locator("[data-act='record']")).to_be_visible(timeout=60_000)  # it was prepared
    page.click(".back")
    expect(page.locator(f"[data-line='{script}']")).to_be_visible()
    page.go_back()
    learner.uploads("train.ogg", sounds.sample("train_learner"))
    job = learner.gets_result()
    expect(page.locator(".chart .word")).to_have_count(len(sounds.line("train").split()))
    expect(page.locator(f".tries [data-job='{job}'] .badge")).to_be_visible()
    page.goto(f"{booth.door.url}/ui")
    page.click(f"[data-task='{job}'] a")
    learner.gets_result()


def test_progress_goes_on_after_a_broken_connection(invite: Invite):
    learner = invite().opens()
    page = learner.page
    asked: list[str | None] = []

    def broken(route: Route) -> None:
        asked.append(route.request.headers.get("last-event-id"))
        if len(asked) > 1:
            route.continue_()
            return
        told = json.dumps({"status": "processing", "progress": 40, "message": "stored"})
        route.fulfill(
            content_type="text/event-stream",
            body=f"id: 1\r\nevent: progress\r\ndata: {told}\r\n\r\n",
        )

    page.route("**/analysis-progress/**", broken)
    learner.uploads("learner.flac", sounds.encoded(sounds.heard(f"{LINE}_learner"), "flac", "flac"))
    learner.gets_result()
    assert asked == [None, "1"]


def test_a_microphone_that_is_refused_is_told(invite: Invite):
    learner = invite(microphone=False).opens()
    learner.page.click("[data-act='record']")
    expect(learner.page.locator("#attempt.wrong")).to_contain_text("Allow it beside the address")
    expect(learner.page.locator("[data-act='record']")).to_be_enabled()


def test_moments_of_one_take_lie_in_the_other(invite: Invite):
    """Word by word evenly, a pause only one of them makes included."""
    page = invite().opens().page
    found = page.evaluate("""async () => {
      const { warpOf } = await import("/ui/files/warp.js");
      const word = (from, to, said) => ({ actor: { from, to }, said: said && { from: said[0], to: said[1] } });
      const warp = warpOf([word(1, 2, [5, 7]), word(3, 4, [7, 8]), word(4, 5, null), word(5, 6, [9, 9.5])]);
      return [4, 5, 6, 7.5, 8.5, 9.5, 10.5].map(warp).concat([1.5, 2.5, 4.5].map(warp.back));
    }""")
    assert found == pytest.approx([0, 1, 1.5, 3.5, 4.5, 6, 7, 6, 7, 8.5], abs=0.01)


def test_an_admin_adds_a_line_and_its_take(booth: Booth, invite: Invite, shots: Shots):
    admin = invite("admin")
    page = admin.page
    page.goto(booth.page)
    page.click("#to-catalogue")
    expect(page.locator(f"[data-entry='{booth.token}']")).to_contain_text("ready")
    expect(page.locator("#entries li").last).to_contain_text("no audio yet")
    admin.shot(shots("say-lines.png"))
    page.get_by_role("link", name="Add a quote").click()
    page.get_by_label("What is said").fill(sounds.line("train"))
    page.get_by_label("Actor").fill("Mara Finch")
    expect(page.locator("#field-actor_id-note")).to_contain_text("“Mara Finch” is not in")
    page.click("#language")  # what was typed stays
    expect(page.get_by_label("대사", exact=True)).to_have_value(sounds.line("train"))
    page.click("#language")
    page.get_by_label("Film").fill("Platform Nine")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="The actor's take")).to_be_focused()
    line = page.url.rpartition("/")[2]

    page.click("[data-act='record']")
    page.wait_for_function("() => document.querySelector('meter').value > 0.3")
    page.click("[data-act='record.stop']")
    page.get_by_role("button", name="Use this take").click()
    take = page.locator(".take")
    expect(take).to_have_attribute("data-state", "FAILED", timeout=WITHIN_S * 1000)
    expect(take.get_by_role("status").first).to_contain_text("audio")  # why it cannot be used
    admin.uploads("train.ogg", sounds.sample("train_actor"))
    expect(take).to_have_attribute("data-state", "READY", timeout=WITHIN_S * 1000)
    admin.shot(shots("say-take.png"))
    page.set_viewport_size({"width": 375, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    take.get_by_role("link", name="Try it").click()
    expect(page.locator("blockquote")).to_have_text(sounds.line("train"))
    expect(page.locator("[data-act='record']")).to_be_visible()

    page.goto(f"{booth.page}#/catalogue/tokens")
    row, dialog = page.locator(f"[data-entry='{line}']"), page.locator("#deletion")
    row.get_by_role("button", name="Delete").press("Enter")
    expect(dialog).to_contain_text("every learner's scores of it")
    page.keyboard.press("Escape")
    expect(row.get_by_role("button", name="Delete")).to_be_focused()
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    with booth.door.client() as client:
        assert client.get(f"/tokens/{line}").status_code == 404


def test_admins_do_not_overwrite_each_other(booth: Booth, invite: Invite):
    page = invite("admin").page
    with booth.door.client() as client:
        wish = {"actor_id": booth.actor, "film": "Night Train", "text": sounds.line("king")}
        line = client.post("/tokens", json=wish).json()["id"]
        page.goto(f"{booth.page}#/catalogue/tokens/{line}")
        film = page.get_by_label("Film")
        film.fill("Day Train")
        client.put(f"/mypage/bookmarks/tokens/{line}").raise_for_status()  # another tag, same line
        page.keyboard.press("Enter")
        expect(page.locator(".unsaved")).to_have_text("Saved.")
        client.put(f"/tokens/{line}", json=wish | {"film": "Theirs"}).raise_for_status()
        film.fill("Mine")
        page.keyboard.press("Enter")
        expect(page.locator("#line [role=alert]")).to_contain_text("Somebody changed this")
        expect(page.locator(".theirs")).to_contain_text("Theirs")
        assert client.get(f"/tokens/{line}").json()["film"] == "Theirs"
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".unsaved")).to_have_text("Saved.")
        expect(page.locator(".theirs")).to_have_count(0)
        assert client.get(f"/tokens/{line}").json()["film"] == "Mine"
        client.delete(f"/tokens/{line}").raise_for_status()

    page.goto(f"{booth.page}#/catalogue/actors/new")
    page.get_by_label("Name").fill("Bea Marlow")
    page.keyboard.press("Enter")
    expect(page.locator("#actor [role=alert]")).to_contain_text("already")
    page.goto(f"{booth.page}#/catalogue/actors")
    page.get_by_role("button", name="Delete: Bea Marlow").click()
    expect(page.locator("#deletion")).to_contain_text("cannot go before the lines")
    expect(page.locator("#deletion").get_by_role("button", name="Delete")).to_have_count(0)


def test_learners_do_not_keep_the_catalogue(booth: Booth, invite: Invite):
    page = invite("ann").page
    page.goto(f"{booth.page}#/catalogue/tokens/{booth.token}")
    expect(page.locator("#view .notice")).to_contain_text("Only admins keep the catalogue")
    expect(page.locator("#to-catalogue")).to_be_hidden()
    expect(page.locator("#view form")).to_have_count(0)
