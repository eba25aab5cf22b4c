"""The gallery in a browser: it loads without a complaint, asks for nothing, searches, sorts, and fits a phone.

The page is served, and looked at by a page beside it that shows it in a frame, so that the page's own policy holds.
"""

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from genotools.zoo import add_entry, list_entries
from genotools.zoo.page import write_page
from genotools.zoo.places import shipped_zoo
from genotools.zoo.sources import facts_of

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALONE = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
)
TIMEOUT_S = 120
EVIL = "</script><script>document.title = 'taken'</script><img src=x onerror=\"top.document.title='taken'\">"

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, model_folder: Path) -> Path:
    """Return a folder with the gallery ``site`` of the hand-made genotypes, a model, and a hostile card."""
    root = tmp_path_factory.mktemp("gallery")
    zoo = root / "zoo"
    for entry in list_entries(shipped_zoo()):
        if not entry.name.startswith("yeast-"):
            add_entry(entry.name, entry.path, summary=entry.card.summary, origin=entry.card.origin, zoo=zoo)
    facts = facts_of(model_folder)
    add_entry("trained", model_folder, summary="of yeast " + "x" * 200, origin="a test", zoo=zoo, facts=facts)
    add_entry("hostile", zoo / "dense-heavy", summary=EVIL, origin=EVIL, zoo=zoo)
    write_page(root / "site", zoo=zoo)
    return root


@pytest.fixture
def server(folder: Path, serve: Callable[[Path], Any]) -> Any:
    return serve(folder)


def browse(url: str, profile: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Load a page and return the document as it is afterwards, and what the browser had to say."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *ALONE]
    command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=3000", *options, "--dump-dom"]
    return subprocess.run([*command, url], capture_output=True, text=True, check=True, timeout=TIMEOUT_S)


def result_of(server: Any, folder: Path, script: str, *options: str, width: int = 1280) -> Any:
    """Return what ``script`` returns, which sees the page's ``page`` (its document) and ``view`` (its window)."""
    look = f"""<!doctype html><title></title>
        <iframe src="site/index.html" style="border:0;width:{width}px;height:900px"></iframe>
        <script>const frame = document.querySelector("iframe");
        frame.onload = async () => {{
          const view = frame.contentWindow, page = frame.contentDocument;
          document.title = JSON.stringify(await (async () => {{ {script} }})());
        }};</script>"""
    (folder / "look.html").write_text(look)
    done = browse(f"{server.url}/look.html", folder / "profile", *options)
    found = re.search("<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert found is not None
    assert "CONSOLE" not in done.stderr
    return json.loads(html.unescape(found[1]))


SHOWN = """
    const shown = () => [...page.querySelectorAll(".entry")].filter((e) => !e.hidden).map((e) => e.dataset.name);
"""


def test_the_page_loads_without_complaint_and_asks_for_nothing(server: Any, folder: Path) -> None:
    done = browse(f"{server.url}/site/index.html", folder / "profile")
    assert "CONSOLE" not in done.stderr
    assert "<title>genotools zoo</title>" in done.stdout
    assert server.asked == ["/site/index.html"]
    assert f"export GENOTOOLS_ZOO={server.url}/site/" in done.stdout


def test_the_page_works_as_a_file(folder: Path) -> None:
    done = browse((folder / "site" / "index.html").as_uri(), folder / "profile")
    assert "CONSOLE" not in done.stderr
    assert re.search(r"<output[^>]*>8 entries</output>", done.stdout)


def test_the_policy_stops_every_script_but_the_own_one(server: Any, folder: Path) -> None:
    text = (folder / "site" / "index.html").read_text()
    (folder / "foreign.html").write_text(
        text.replace("</body>", "<script>document.title = 'taken'</script><img src='site/x.png'></body>")
    )
    done = browse(f"{server.url}/foreign.html", folder / "profile")
    assert "<title>genotools zoo</title>" in done.stdout
    assert "Content Security Policy" in done.stderr
    assert server.asked == ["/foreign.html"]


def test_a_hostile_summary_is_shown_as_text(server: Any, folder: Path) -> None:
    script = """
        const entry = page.getElementById("entry-hostile");
        return [entry.querySelector(".summary").textContent, page.images.length, page.scripts.length, page.title];
    """
    assert result_of(server, folder, script) == [EVIL, 0, 1, "genotools zoo"]


def test_a_search_filters_by_every_word_and_says_how_many_are_left(server: Any, folder: Path) -> None:
    script = f"""{SHOWN}
        const find = page.getElementById("find"), out = [];
        for (const text of ["", "dil_conv wide", "YEAST", "sep conv 15 tanh", "nothing like it"]) {{
          find.value = text;
          find.dispatchEvent(new view.Event("input"));
          out.push([shown(), page.getElementById("count").textContent, page.getElementById("none").hidden]);
        }}
        page.getElementById("all").click();
        out.push([shown().length, find.value]);
        page.getElementById("only").click();
        out.push(shown());
        return out;
    """
    everything, dilated, yeast, separable, nothing, again, models = result_of(server, folder, script)
    assert (len(everything[0]), everything[1], everything[2]) == (8, "8 entries", True)
    assert dilated == [["dilated-wide"], "1 of 8 entries", True]
    assert yeast[0] == ["trained"]
    assert "separable-residual" in separable[0]
    assert "pooling-only" not in separable[0]
    assert nothing == [[], "0 of 8 entries", False]
    assert again == [8, ""]
    assert models == ["trained"]


def test_entries_are_sorted_by_name_size_and_metric(server: Any, folder: Path) -> None:
    script = f"""{SHOWN}
        const order = page.getElementById("order"), out = {{}};
        for (const option of order.options) {{
          order.value = option.value;
          order.dispatchEvent(new view.Event("change"));
          out[option.textContent] = shown();
        }}
        return out;
    """
    orders = result_of(server, folder, script)
    assert orders["name"] == sorted(orders["name"])
    assert orders["trained first"] == ["trained", *(name for name in orders["name"] if name != "trained")]
    assert next(iter(orders)) == "trained first"
    assert orders["fewest parameters"][:2] == ["trained", "pooling-only"]
    assert orders["most parameters"] == [
        *orders["most parameters"][:2],
        *orders["most parameters"][2:6],
        "pooling-only",
        "trained",
    ]
    assert set(orders["most parameters"][:2]) == {"dense-heavy", "hostile"}
    assert orders["best AUROC"] == ["trained", *(name for name in orders["name"] if name != "trained")]


def test_cells_are_enlarged_and_commands_copied(server: Any, folder: Path) -> None:
    script = """
        const entry = page.getElementById("entry-dense-heavy"), button = entry.querySelector(".enlarge");
        const size = () => entry.querySelector("svg").getBoundingClientRect().width;
        const before = size();
        button.click();
        const after = [size() > before * 1.3, button.ariaExpanded];
        const copied = [];
        Object.defineProperty(view.navigator, "clipboard", {value: {writeText: async (text) => copied.push(text)}});
        entry.querySelector(".copy").click();
        await new Promise((done) => setTimeout(done, 10));
        return [after, copied, entry.querySelector(".copy").textContent];
    """
    command = "genotools train dense-heavy --data store.h5 -o trained"
    assert result_of(server, folder, script) == [[True, "true"], [command], "Copied command"]


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_is_never_broader_than_the_window(server: Any, folder: Path, width: int) -> None:
    script = """
        const over = () => page.documentElement.scrollWidth - page.documentElement.clientWidth;
        const before = over();
        for (const fold of page.querySelectorAll("details")) fold.open = true;
        for (const button of page.querySelectorAll(".enlarge")) button.click();
        return [view.innerWidth, before, over()];
    """
    assert result_of(server, folder, script, width=width) == [width, 0, 0]


def test_everything_that_can_be_used_has_a_name_and_headings_go_in_order(server: Any, folder: Path) -> None:
    script = """
        const named = (e) => (e.labels?.[0]?.textContent ?? e.ariaLabel ?? e.textContent).trim();
        const used = [...page.querySelectorAll("input, select, button, a, summary, svg[role=img]")];
        const ids = [...page.querySelectorAll("[id]")].map((e) => e.id);
        return {
          nameless: used.filter((e) => !named(e)).map((e) => e.outerHTML.slice(0, 80)),
          levels: [...page.querySelectorAll("h1, h2, h3")].map((e) => e.tagName),
          landmarks: [...page.querySelectorAll("header, main, search, footer")].map((e) => e.tagName.toLowerCase()),
          twice: ids.filter((id, at) => ids.indexOf(id) !== at),
          language: page.documentElement.lang,
        };
    """
    assert result_of(server, folder, script) == {
        "nameless": [],
        "levels": ["H1", *["H2"] * 8],
        "landmarks": ["header", "main", "search", "footer"],
        "twice": [],
        "language": "en",
    }


def test_texts_stand_out_from_their_ground_in_light_and_in_dark(server: Any, folder: Path) -> None:
    """The contrast of WCAG 2.1, level AA, is 4.5 for text."""
    script = """
        const light = (colour) => {
          const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
            const value = part / 255;
            return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
        };
        const ground = (element) => {
          for (let at = element; at; at = at.parentElement) {
            const colour = view.getComputedStyle(at).backgroundColor;
            if (!colour.includes("rgba(0, 0, 0, 0)") && colour.startsWith("rgb(")) return colour;
          }
          return "rgb(255, 255, 255)";
        };
        const texts = "h1, h2, p, dt, dd, a, summary, code, pre, label, button, output, small, figcaption, .badge";
        let worst = [99, ""];
        for (const element of page.querySelectorAll(texts)) {
          const pair = [light(view.getComputedStyle(element).color), light(ground(element))].sort((a, b) => b - a);
          const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
          if (contrast < worst[0]) worst = [contrast, element.outerHTML.slice(0, 80)];
        }
        return {worst, dark: view.matchMedia("(prefers-color-scheme: dark)").matches};
    """
    for option, is_dark in (("--light", False), ("--force-dark-mode", True)):
        found = result_of(server, folder, script, option)
        assert found["dark"] is is_dark
        contrast, element = found["worst"]
        assert contrast >= 4.5, element
