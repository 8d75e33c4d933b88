"""The page in a browser: Chromium, as it is installed here, driven by Playwright.

Skipped where there is none. Accessibility is judged by axe-core (WCAG 2.2, levels A and AA).
"""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.localisation.test_dense import classifier, net_of_boxes
from tests.serving.at_work import Running, model_of, net, picture, running, units_file
from tests.serving.test_units import grey_of
from verydeep.serving.maps import METHODS, Method
from verydeep.serving.units import known_units
from verydeep.weights import save

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here to open the page in")
DROP = """(base64) => {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const carried = new DataTransfer();
    carried.items.add(new File([bytes], "<b>cat</b>.png", { type: "image/png" }));
    const event = { bubbles: true, cancelable: true };
    document.body.dispatchEvent(%s);
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = units_file(net(), tmp_path_factory.mktemp("page"), ["relu1_1", "relu3_1"])
    model = model_of(net(), folder)
    with running(model, known=known_units(folder, model)) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with playwright.sync_playwright() as by:
        browser = by.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


Opened = Callable[..., Any]


def is_fault(said: Any) -> bool:
    """Whether what a browser's console says is more than that a request was refused."""
    return not said.text.startswith("Failed to load resource")


@pytest.fixture
def opened(chromium: Any, server: Running) -> Iterator[Opened]:
    """Opens the page; at the end nothing was asked of others, and the browser found no fault."""
    asked: list[str] = []
    faults: list[str] = []
    contexts = []

    def opened(of: Running = server, width: int = 1280, **options: Any) -> Any:
        context = chromium.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda said: faults.append(said.text) if is_fault(said) else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(of.url)
        return page

    yield opened
    for context in contexts:
        context.close()
    elsewhere = [url for url in asked if not url.startswith(("http://127.0.0.1:", "data:"))]
    assert (elsewhere, faults) == ([], [])


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.png"
    path.write_bytes(picture(120, 160, seed=4))
    return path


def best(server: Running, path: Path) -> list[dict[str, Any]]:
    """What the interface says of a picture."""
    found: list[dict[str, Any]] = server.ask("/predict", path.read_bytes()).data["pictures"][0][
        "top"
    ]
    return found


def shows(page: Any, top: list[dict[str, Any]]) -> None:
    """Waits for these classes with these figures, and the map of the first on its scale."""
    page.wait_for_selector("#answer tbody tr")
    rows = [row.inner_text().split("\t") for row in page.query_selector_all("#answer tbody tr")]
    told = [(one["class"], f"{100 * one['posterior']:.1f} %") for one in top]
    assert [(row[0].strip(), row[-1].strip()) for row in rows] == told
    assert page.inner_text("#answer h2") == top[0]["class"]
    page.wait_for_selector("#answer .scale:not([hidden])")
    assert top[0]["class"] in page.inner_text("#answer figcaption")


def test_a_chosen_file_is_answered(opened: Opened, server: Running, cat: Path) -> None:
    page = opened()
    page.set_input_files("#picture", cat)
    shows(page, best(server, cat))
    assert not page.is_visible("#send")


@pytest.mark.parametrize(
    "event",
    [
        'new DragEvent("drop", { ...event, dataTransfer: carried })',
        'new ClipboardEvent("paste", { ...event, clipboardData: carried })',
    ],
)
def test_a_picture_may_be_dropped_or_pasted(
    opened: Opened, server: Running, cat: Path, event: str
) -> None:
    page = opened()
    page.evaluate(DROP % event, b64encode(cat.read_bytes()).decode())
    shows(page, best(server, cat))
    assert page.query_selector("#answer b") is None  # the name of the file is text


def test_the_keyboard_is_enough(opened: Opened, server: Running, cat: Path) -> None:
    page, (first, second, *_) = opened(), best(server, cat)
    page.on(
        "filechooser", lambda chooser: None
    )  # caught from now on, and not as the key is pressed
    page.keyboard.press("Tab")
    page.wait_for_selector("#picture:focus")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    for _ in range(3):  # past the choice of maps and the first class
        page.keyboard.press("Tab")
    page.wait_for_selector("tr:nth-child(2) button:focus")
    page.keyboard.press("Space")
    page.wait_for_function(
        "name => document.querySelector('#answer figcaption').textContent.includes(name)",
        arg=f"of {second['class']}:",
    )
    pressed = page.query_selector_all('#answer [aria-pressed="true"]')
    assert [one.inner_text() for one in pressed] == [second["class"]]
    page.keyboard.press("Space")  # again: the picture alone
    page.wait_for_selector('tr:nth-child(2) [aria-pressed="false"]')
    assert page.query_selector('#answer [aria-pressed="true"]') is None
    assert not page.is_visible("#answer .scale")
    assert first["class"] != second["class"]


def test_a_map_is_laid_over_the_picture(opened: Opened, cat: Path) -> None:
    page = opened()
    page.set_input_files("#picture", cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    pixel = """() => [...document.querySelector("#answer canvas").getContext("2d")
        .getImageData(80, 60, 1, 1).data]"""
    over = page.evaluate(pixel)
    page.click('#answer [aria-pressed="true"]')
    alone = page.evaluate(pixel)
    assert over != alone
    size = page.evaluate(
        "(({ width, height }) => [width, height])(document.querySelector('canvas'))"
    )
    assert size == [160, 120]


def widest(page: Any) -> float:
    """Where what reaches furthest to the right ends."""
    boxes = [one.bounding_box() for one in page.query_selector_all("main *")]
    return float(max(box["x"] + box["width"] for box in boxes if box))


def test_another_map_is_chosen(
    opened: Opened, cat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flat = Method("Flat", "nothing", lambda network, image, label: np.full(image.shape[:2], 0.25))
    monkeypatch.setitem(METHODS, "flat", flat)
    with running(model_of(net(), tmp_path)) as other:
        page = opened(other)
        page.set_input_files("#picture", cat)
        page.wait_for_selector("#answer .scale:not([hidden])")
        page.get_by_label("Map").select_option(label="Flat")
        page.wait_for_selector("text=Flat of")
        assert page.inner_text("#answer .scale").split() == ["0", "0.250"]


# --- units of a layer

PRESSED = 'main [aria-pressed="true"]'


def look(page: Any, cat: Path, layer: str) -> None:
    """Has a picture answered, and its maps of a layer's units shown."""
    page.set_input_files("#picture", cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    page.get_by_label("Units of the layer").select_option(layer)
    page.wait_for_selector("#units .best img")
    page.wait_for_function("() => [...document.images].every((image) => image.complete)")


def test_a_unit_has_its_map_and_its_best_patches(
    opened: Opened, server: Running, cat: Path
) -> None:
    page, told = opened(), server.ask("/units?layer=relu3_1", cat.read_bytes()).data
    look(page, cat, "relu3_1")
    units = told["units"]
    names = [f"unit {one['unit']}: " for one in units]
    shown = [one.inner_text() for one in page.query_selector_all("#units button")]
    assert all(text.startswith(name) for text, name in zip(shown, names, strict=True))
    assert page.inner_text(PRESSED).startswith(names[0])
    assert f"Unit {units[0]['unit']} of relu3_1" in page.inner_text("#answer figcaption")
    page.click(f"text={names[1]}")
    assert page.inner_text(PRESSED).startswith(names[1])
    said = page.inner_text("#units [role=status]")
    assert f"units of relu3_1 that are known, of {told['units_of_layer']}." in said
    assert f"its {len(units[1]['best'])} best pictures" in said
    page.wait_for_function("() => [...document.images].every((image) => image.complete)")
    sources = [one.get_attribute("src") for one in page.query_selector_all("#units img")]
    query = f"/patches?layer=relu3_1&unit={units[1]['unit']}&kind="
    assert sources == [query + "patches", query + "projections"]
    widths = "[...document.querySelectorAll('#units img')].map((image) => image.naturalWidth)"
    assert page.evaluate(widths) == [234, 234]
    page.click("#answer tbody button")  # a class again
    assert page.query_selector("#units " + PRESSED.removeprefix("main ")) is None


def test_a_click_presses_the_unit_that_is_strongest_there(
    opened: Opened, server: Running, cat: Path
) -> None:
    page, told = opened(), server.ask("/units?layer=relu3_1", cat.read_bytes()).data
    look(page, cat, "relu3_1")
    grey = {one["unit"]: grey_of(one) for one in told["units"]}
    height, width = next(iter(grey.values())).shape
    strongest = {
        (y, x): max(grey, key=lambda unit: grey[unit][y, x])
        for y, x in np.ndindex(height, width)
        if np.ptp([each[y, x] for each in grey.values()])
    }
    first = told["units"][0]["unit"]
    (y, x), unit = next((place, unit) for place, unit in strongest.items() if unit != first)
    box = page.query_selector("#answer canvas").bounding_box()
    at = {"x": (x + 0.5) / width * box["width"], "y": (y + 0.5) / height * box["height"]}
    page.click("#answer canvas", position=at)
    assert page.inner_text(PRESSED).startswith(f"unit {unit}: ")


def test_units_are_reached_by_keyboard(opened: Opened, cat: Path) -> None:
    page = opened()
    page.set_input_files("#picture", cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    page.get_by_label("Units of the layer").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_selector("#units .best img")
    first = page.inner_text(PRESSED)
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.inner_text(PRESSED) not in ("", first)
    page.keyboard.press("Enter")  # again: the picture alone
    assert page.query_selector(PRESSED) is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_units_have_room_on_320_pixels_and_axe_finds_nothing(
    opened: Opened, cat: Path, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    page = opened(width=320, color_scheme=scheme)
    look(page, cat, "relu1_1")
    assert widest(page) <= 320
    assert axe.Axe().run(page).response["violations"] == []


def test_another_picture_takes_the_units_away(opened: Opened, cat: Path, tmp_path: Path) -> None:
    page, text = opened(), tmp_path / "text.png"
    look(page, cat, "relu1_1")
    text.write_text("no picture")
    page.set_input_files("#picture", text)
    page.wait_for_selector("#answer .fault")
    assert page.inner_text("#units") == ""
    look(page, cat, "relu3_1")


@pytest.fixture(scope="module")
def with_boxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder, by = tmp_path_factory.mktemp("boxes"), classifier()
    save(by, folder / "by.safetensors")
    model = model_of(net_of_boxes(by, 1), folder, classifier=folder / "by.safetensors")
    with running(model) as found:
        yield found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("scripts", [True, False])
def test_320_pixels_are_wide_enough(opened: Opened, cat: Path, scheme: str, scripts: bool) -> None:
    page = opened(width=320, color_scheme=scheme, java_script_enabled=scripts)
    page.set_input_files("#picture", cat)
    if not scripts:
        page.click("#send")
    page.wait_for_selector("#answer tbody tr")
    assert widest(page) <= 320


def test_without_javascript_the_form_is_answered_by_a_page(
    opened: Opened, server: Running, cat: Path
) -> None:
    page = opened(java_script_enabled=False)
    page.set_input_files("#picture", cat)
    page.click("#send")
    assert page.inner_text("#answer h2") == best(server, cat)[0]["class"]
    assert len(page.query_selector_all("#answer img")) == 2


def test_what_is_refused_is_said(opened: Opened, tmp_path: Path) -> None:
    text, large = tmp_path / "text.png", tmp_path / "large.png"
    text.write_text("no picture")
    large.write_bytes(bytes(100_001))
    page = opened()
    page.set_input_files("#picture", large)
    page.wait_for_selector("#answer .fault")
    assert "large.png has more than 0.1 MB" in page.inner_text("#answer")
    page.set_input_files("#picture", text)
    page.wait_for_selector("text=looks like text")


def test_boxes_are_drawn_on_the_picture(opened: Opened, with_boxes: Running, cat: Path) -> None:
    page = opened(with_boxes)
    page.set_input_files("#picture", cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    first = with_boxes.ask("/predict", cat.read_bytes()).data["pictures"][0]["top"][0]
    left, top, *_ = first["box"]
    colour = """([x, y]) => [...document.querySelector("#answer canvas").getContext("2d")
        .getImageData(x, y, 1, 1).data].slice(0, 3)"""
    found = page.evaluate(colour, [max(0, round(left)), max(0, round(top) + 12)])
    assert found == pytest.approx([255, 214, 10], abs=60)  # between two pixels


@pytest.mark.parametrize("scripts", [True, False])
def test_boxes_have_room_on_320_pixels(
    opened: Opened, with_boxes: Running, cat: Path, scripts: bool
) -> None:
    page = opened(with_boxes, width=320, java_script_enabled=scripts)
    page.set_input_files("#picture", cat)
    if not scripts:
        page.click("#send")
        assert len(page.query_selector_all("#answer .sides")) == 3
    page.wait_for_selector("#answer tbody tr")
    assert widest(page) <= 320


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing_amiss(opened: Opened, cat: Path, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not here")
    page = opened(width=width, color_scheme=scheme)
    assert axe.Axe().run(page).response["violations"] == []
    page.set_input_files("#picture", cat)
    page.wait_for_selector("#answer .scale:not([hidden])")
    assert axe.Axe().run(page).response["violations"] == []
