"""The report in a browser: it loads without a complaint, asks for nothing, sorts, folds, and fits a phone.

Pages are changed by a script that the test adds; the page's own policy, which would refuse it, is taken out for that.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from genotools.search.report import write_report
from genotools.testing.reports import make_genotypes, make_one_shot_run, make_run

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALONE = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--disable-background-networking",
    "--disable-component-update",
)
TIMEOUT_S = 120

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on the PATH")


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Load a page and return the document as it is afterwards, and what the browser had to say."""
    assert BROWSER is not None
    profile = page.parent / "profile"
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", *ALONE]
    command += ["--enable-logging=stderr", "--v=0", "--virtual-time-budget=2000", *options, "--dump-dom"]
    return subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, check=True, timeout=TIMEOUT_S
    )


def with_script(page: Path, script: str) -> Path:
    """Return a copy of a page that runs ``script`` at its end and keeps what it returns in the title."""
    html = page.read_text(encoding="utf-8")
    html, n_policies = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    assert n_policies == 1
    added = f"<script>document.title = JSON.stringify((() => {{ {script} }})());</script></body>"
    changed = page.with_name("changed.html")
    changed.write_text(html.replace("</body>", added), encoding="utf-8")
    return changed


def result_of(page: Path, script: str, *options: str) -> object:
    found = re.search("<title>(.*?)</title>", browse(with_script(page, script), *options).stdout, re.DOTALL)
    assert found is not None
    result: object = json.loads(found[1])
    return result


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a report on a search by trials, with random search, and one with a supernet."""
    folder = tmp_path_factory.mktemp("page")
    evil = "</script><script>document.title = 'taken'</script>"
    make_run(folder / "evolution", [0.25, None, 0.5, 0.3], settings={"note": evil})
    make_run(folder / "random", [0.1, 0.2], engine="random")
    make_one_shot_run(folder / "darts", make_genotypes(2), alarms={2: [evil]})
    path = folder / "report.html"
    write_report(path, [folder / "evolution", folder / "darts"])
    return path


def test_the_page_loads_without_complaint(page: Path) -> None:
    done = browse(page)
    assert "CONSOLE" not in done.stderr
    assert "<title>2 searches · genotools report</title>" in done.stdout


def test_the_page_asks_for_nothing_even_where_it_may(page: Path) -> None:
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name);"
    assert result_of(page, script) == []


def test_the_policy_stops_every_script_but_the_own_one(page: Path) -> None:
    foreign = page.with_name("foreign.html")
    html = page.read_text(encoding="utf-8")
    foreign.write_text(html.replace("</body>", "<script>document.title = 'taken'</script></body>"))
    done = browse(foreign)
    assert "<title>2 searches · genotools report</title>" in done.stdout
    assert "Content Security Policy" in done.stderr


def test_columns_are_sorted_by_number_both_ways_and_the_failed_ones_shown_alone(page: Path) -> None:
    script = """
        const table = document.getElementById("run-1-rows");
        const column = (n) => [...table.tBodies[0].rows].map((row) => row.cells[n].textContent);
        const head = table.tHead.rows[0].cells[2];
        head.querySelector("button").click();
        const up = [column(2), head.ariaSort];
        head.querySelector("button").click();
        const down = [column(2), head.ariaSort];
        document.querySelector("input[data-table=run-1-rows]").click();
        const shown = [...table.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.cells[0].textContent);
        return {up, down, shown};
    """
    assert result_of(page, script) == {
        "up": [["", "0.2500", "0.3000", "0.5000"], "ascending"],
        "down": [["0.5000", "0.3000", "0.2500", ""], "descending"],
        "shown": ["1"],
    }


def test_a_link_to_a_genotype_unfolds_it(page: Path) -> None:
    script = """
        const cards = [...document.querySelectorAll("#run-1-cards > details")];
        const before = cards.map((card) => card.open);
        location.hash = cards[2].id;
        unfoldTarget();
        const after = cards.map((card) => card.open);
        document.querySelector("[data-in=run-1-cards]").click();
        return {before, after, all: cards.map((card) => card.open)};
    """
    assert result_of(page, script) == {
        "before": [True, False, False],
        "after": [True, False, True],
        "all": [True, True, True],
    }


@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_is_never_broader_than_the_window(page: Path, width: int) -> None:
    script = """
        for (const fold of document.querySelectorAll("details")) fold.open = true;
        return [window.innerWidth, document.documentElement.scrollWidth - document.documentElement.clientWidth];
    """
    assert result_of(page, script, f"--window-size={width},900") == [width, 0]


def test_texts_stand_out_from_their_ground_in_light_and_in_dark(page: Path) -> None:
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
            const colour = getComputedStyle(at).backgroundColor;
            if (!colour.includes("rgba(0, 0, 0, 0)") && colour.startsWith("rgb(")) return colour;
          }
          return "rgb(255, 255, 255)";
        };
        const texts = "h1, h2, p, dt, dd, td, th, a, summary, li, code, .chart text, .heat text";
        let worst = [99, ""];
        for (const element of document.querySelectorAll(texts)) {
          const style = getComputedStyle(element);
          const own = element.namespaceURI.endsWith("svg") ? style.fill : style.color;
          const pair = [light(own), light(ground(element))].sort((a, b) => b - a);
          const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
          if (contrast < worst[0]) worst = [contrast, element.outerHTML.slice(0, 80)];
        }
        return {worst, dark: matchMedia("(prefers-color-scheme: dark)").matches};
    """
    for option, is_dark in (("--light", False), ("--force-dark-mode", True)):
        found = result_of(page, script, option)
        assert isinstance(found, dict)
        assert found["dark"] is is_dark
        contrast, element = found["worst"]
        assert contrast >= 4.5, element
