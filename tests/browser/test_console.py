"""Signing in, the list of tasks, languages, the look of the pages, and very many frames."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from playwright.sync_api import Browser, Page, expect

from shared.flow import deletion
from tests.browser.labeling import Lab, Person, Truth
from tests.shared.web.door import Door

Hire = Callable[..., Person]
Shots = Callable[[str], str | None]
MANY = 5000
PAINTED_MS = 250  # from the key to the picture, on a machine that does other things too

MEASURE = """async (steps) => {
  const canvas = document.getElementById("canvas");
  const times = [];
  for (let n = 0; n < steps; n += 1) {
    const before = canvas.dataset.frame;
    const start = performance.now();
    dispatchEvent(new KeyboardEvent("keydown", { code: "ArrowRight", key: "ArrowRight" }));
    while (canvas.dataset.frame === before) await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
    await new Promise((done) => setTimeout(done, 300));
  }
  return times.sort((a, b) => a - b);
}"""


def test_the_key_is_asked_for_and_stays_in_the_tab(browser: Browser, lab: Lab):
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(f"{lab.door.url}/ui")
        page.fill("#key", "av_wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#login .wrong")).to_have_text("This key is not known here.")
        page.fill("#key", lab.door.key_of("ann"))
        page.keyboard.press("Enter")
        row = page.locator(f"[data-task='{lab.task}']")
        expect(row).to_contain_text("openfield.mp4")
        assert page.evaluate("Object.keys(localStorage)") == []
        assert page.evaluate("document.cookie") == ""
        page.click("#logout")
        expect(page.locator("#login")).to_be_visible()


def test_a_login_renews_itself_and_ends_when_it_is_left(lab: Lab, hire: Hire):
    person = hire(user=None)
    page = person.page
    page.goto(f"{lab.door.url}/ui/say")
    page.fill("#user", "nobody")
    page.fill("#password", "not the password")
    page.keyboard.press("Enter")
    expect(page.locator("#account .wrong")).to_be_visible()
    person.registers("cleo")
    refresh = page.evaluate("sessionStorage.getItem('actverse.refresh')")
    page.evaluate("sessionStorage.setItem('actverse.key', 'long.over.now')")
    page.click("#to-history")
    expect(page.locator("#view h2")).to_have_text("My scores")
    expect(page.locator("#login")).to_have_count(0)
    renewed = page.evaluate("sessionStorage.getItem('actverse.refresh')")
    assert renewed != refresh
    renewed = _two_tabs_renew_at_once(page)
    assert page.evaluate("Object.keys(localStorage)") == []
    page.click("#logout")
    expect(page.locator("#login")).to_be_visible()
    assert page.evaluate("sessionStorage.getItem('actverse.refresh')") is None
    with lab.door.client() as client:
        again = client.post("/auth/refresh", json={"refresh_token": renewed})
    assert again.status_code == 401


def _two_tabs_renew_at_once(page: Page) -> str:
    """A duplicated tab copies the tickets; using one twice would end the session."""
    kept = page.evaluate("Object.entries(sessionStorage)")
    copy = page.context.new_page()
    copy.goto(page.url.partition("#")[0])
    copy.evaluate(
        "(kept) => kept.forEach(([name, value]) => sessionStorage.setItem(name, value))", kept
    )
    copy.reload()
    expect(copy.locator("#view h2")).to_be_visible()
    for each in (page, copy):
        each.evaluate("sessionStorage.setItem('actverse.key', 'long.over.now')")
    for each in (page, copy):
        each.evaluate("location.hash = '#/scripts'")
    for each in (page, copy):
        expect(each.locator("#view .quiet").last).to_contain_text("There is no line to say yet")
        expect(each.locator("#login")).to_have_count(0)
    tickets = [each.evaluate("sessionStorage.getItem('actverse.refresh')") for each in (page, copy)]
    assert tickets[0] == tickets[1]
    copy.close()
    return str(tickets[0])


def test_a_task_is_deleted_after_a_look_at_what_goes(lab: Lab, hire: Hire):
    door = lab.door
    kept, gone = (door.submit("ann", labeler="folder") for _ in range(2))
    door.keep(f"videos/{gone}/source.mp4", b"0123456789" * 120_000)
    with door.client("ann") as ann:
        ann.post(f"/tasks/{gone}/cancel").raise_for_status()
    page = hire().page
    page.goto(f"{door.url}/ui")
    row, dialog = page.locator(f"[data-task='{gone}']"), page.locator("#deletion")
    row.get_by_role("button", name="Delete").click()
    expect(dialog).to_contain_text("1 files (1.2 MB)")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_have_count(0)
    assert door.platform.storage.exists(f"videos/{gone}/source.mp4")
    row.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(row).to_contain_text("being deleted")
    deletion.finish(door.platform)
    expect(row).to_have_count(0)
    expect(page.locator(f"[data-task='{kept}'] button")).to_have_count(0)  # it is at work


def test_a_waiting_task_leads_to_its_labeler(lab: Lab, hire: Hire, shots: Shots):
    lab.door.begin(lab.task, "labeling")
    person = hire()
    person.page.goto(f"{lab.door.url}/ui")
    person.page.click(f"[data-task='{lab.task}'] a")
    person.sees(0)
    person.page.goto(f"{lab.door.url}/ui")
    expect(person.page.locator("#tasks li").first).to_be_visible()
    person.shot(shots("console-tasks.png"))


def test_pages_are_strict_and_others_see_nothing(lab: Lab):
    answer = httpx.get(lab.url)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert "style=" not in answer.text
    etag = answer.headers["etag"]
    assert httpx.get(lab.url, headers={"If-None-Match": etag}).status_code == 304
    for path in ("/ui/files/../api.py", "/ui/files/..%2fapi.py", "/ui/files/nothing.js"):
        assert httpx.get(f"{lab.door.url}{path}").status_code in {401, 404}
    image = f"{lab.door.url}/labeling/{lab.task}/frames/0/image"
    assert httpx.get(image).status_code == 401
    with lab.door.client("bob") as bob:
        assert bob.get(image).status_code == 404
        assert bob.get(f"/labeling/{lab.task}/board?tab=12345678").status_code == 404
    with lab.door.client("ann") as ann:
        found = ann.get(image)
        assert found.headers["content-type"] == "image/jpeg"
        assert found.headers["cache-control"] == "private, max-age=3600"
        again = ann.get(image, headers={"If-None-Match": found.headers["etag"]})
        assert again.status_code == 304


def test_korean_beside_english(lab: Lab, hire: Hire, shots: Shots):
    person = hire(locale="ko-KR").opens(0)
    expect(person.page.locator("#finish")).to_have_text("마치기")
    person.press("?")
    expect(person.page.locator("dialog")).to_contain_text("비어 있음")
    person.shot(shots("labeler-help-ko.png"))
    person.press("Escape")
    person.page.click("#language")
    expect(person.page.locator("#finish")).to_have_text("Finish")
    person.page.reload()
    expect(person.page.locator("#finish")).to_have_text("Finish")


def test_the_labeler_at_work(lab: Lab, hire: Hire, shots: Shots):
    """The pictures of the documentation: suggestions, then a frame with boxes of its own."""
    person = hire().opens(0)
    person.press("a", "Enter")
    person.sees(10)
    person.press("a", "ArrowRight")
    person.sees(20)
    person.press("s")
    person.sees(30)
    person.press("e")
    person.sees(40)
    expect(person.page.locator(".cell canvas[data-ready]")).to_have_count(8)
    person.saved()
    person.shot(shots("labeler-suggestions.png"))
    person.press("a")
    x, y, w, h = lab.truth[4][-1]
    person.page.keyboard.down("Shift")
    person.draw(x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    person.page.keyboard.up("Shift")
    expect(person.page.locator("#boxes li")).to_have_count(3)
    person.saved()
    person.shot(shots("labeler-boxes.png"))


def test_five_thousand_frames_stay_fluid(
    door: Door, arena: tuple[list[bytes], Truth], hire: Hire, shots: Shots
):
    many = Lab.opened(door, *arena, MANY)
    person = hire(of=many).opens(20_000)
    assert person.page.locator(".cell").count() < 40  # of the strip only what is seen exists
    times = person.page.evaluate(MEASURE, 7)
    print(  # noqa: T201 - a figure of the docs
        f"\nArrow key to painted frame among {MANY}: {[round(t) for t in times]} ms"
    )
    assert times[len(times) // 2] < PAINTED_MS
    person.press("End")
    person.page.evaluate("document.getElementById('strip').scrollLeft = 1e9")
    person.page.click(f".cell[data-frame='{(MANY - 1) * 10}']")
    person.sees((MANY - 1) * 10)
    person.press("a")
    many.eventually((MANY - 1) * 10, lambda state, _: state == "labelled")
    expect(person.page.locator("#remaining")).to_have_text(f"{MANY - 1} remaining")
    person.shot(shots("labeler-5000.png"))
