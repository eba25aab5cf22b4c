"""Files: nothing half-written, nothing lost, nothing read without limits."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError, OutputExistsError
from genotools.files import (
    MAX_JSON_BYTES,
    check_ordinary,
    check_output,
    claimed,
    claimed_output,
    make_folder,
    parse_json,
    read_json,
    replacing,
    resolved,
    to_json,
    write_json,
    write_text,
)
from genotools.testing.strategies import json_values


@pytest.fixture
def umask_027() -> Iterator[None]:
    """Set a umask that is not the usual one."""
    old = os.umask(0o027)
    yield
    os.umask(old)


def test_replacing_keeps_the_old_file_and_leaves_nothing_behind_on_error(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_shows_the_old_file_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.tar.gz"
    path.write_text("old")
    with replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert temporary.parent.parent == path.parent
        assert temporary.name == path.name
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("umask_027")
def test_written_files_have_the_permissions_of_the_umask(tmp_path: Path) -> None:
    write_text(tmp_path / "out.txt", "text")
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o640


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    write_text(path, "text")
    assert path.read_text() == "text"


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """Return a link that leads to itself."""
    path = tmp_path / "loop"
    path.symlink_to(path)
    return path


def test_links_in_a_circle_are_told(loop: Path) -> None:
    told = "loop: a symbolic link in it leads back to itself"
    for check in (check_output, check_ordinary, resolved, make_folder, partial(write_text, text="x")):
        with pytest.raises(DataError, match=told):
            check(loop)
    with pytest.raises(DataError, match=told), claimed(loop, ".lock", lambda: None, busy="busy"):
        pass


def test_a_link_to_nothing_yet_can_be_written_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "out.txt")
    write_text(check_output(link), "text")
    assert (tmp_path / "out.txt").read_text() == "text"


def test_what_is_read_by_place_is_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for path in (tmp_path / "pipe", tmp_path / "link", Path("/dev/zero")):
        with pytest.raises(DataError, match="is a pipe or a device, and this is read from a file only"):
            check_ordinary(path)
    with pytest.raises(DataError, match="is a folder, a file was expected"):
        check_ordinary(tmp_path)
    assert check_ordinary(str(tmp_path / "none")) == tmp_path / "none"


def test_a_folder_is_made_unless_a_file_is_there(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is no folder"):
        make_folder(tmp_path / "file")


def test_check_output_refuses_an_existing_file_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    assert check_output(str(path)) == path
    path.write_text("old")
    with pytest.raises(OutputExistsError, match=r"out\.txt exists already.*--force"):
        check_output(path)
    assert check_output(path, force=True) == path


@pytest.mark.parametrize("force", [False, True])
def test_check_output_says_that_a_folder_is_no_file_whatever_force(tmp_path: Path, force: bool) -> None:
    with pytest.raises(DataError, match=r"is a folder, a file was expected\.$"):
        check_output(tmp_path, force=force)


def test_check_output_protects_devices_from_being_replaced() -> None:
    with pytest.raises(DataError, match=r"^/dev/null is not an ordinary file\.$"):
        check_output("/dev/null", force=True)


def test_check_output_names_the_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"out\.txt: the folder .*nowhere does not exist\.$"):
        check_output(tmp_path / "nowhere" / "out.txt")


def test_check_output_reports_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="File name too long"):
        check_output(tmp_path / ("x" * 300))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_check_output_names_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match=r"the folder .* cannot be written to\.$"):
        check_output(tmp_path / "out.txt")


@given(json_values())
def test_json_round_trip(value: object) -> None:
    assert parse_json(to_json(value), where="text") == value


def test_json_is_written_readable_in_utf8_and_with_a_final_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"name": "Köln"})
    assert (tmp_path / "a.json").read_bytes() == '{\n  "name": "Köln"\n}\n'.encode()


def test_not_a_number_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


BAD_JSON = {
    "empty": ("", "not valid JSON, line 1 column 1"),
    "truncated": ('{"a": [1, 2', "not valid JSON, line 1 column 12"),
    "truncated in a string": ('{\n"a": "b', "not valid JSON, line 2 column 6"),
    "trailing text": ("{} {}", "line 1 column 4: Extra data"),
    "byte order mark": ("\ufeff{}", "line 1 column 1: Unexpected UTF-8 BOM"),
    "NaN": ('{"a": NaN}', "NaN is not JSON"),
    "infinity": ('{"a": -Infinity}', "-Infinity is not JSON"),
    "infinite float": ('{"a": -1e999}', "the number -1e999 is too large"),
    "an integer beyond floats": ("9" * 301, f"the number {'9' * 60} is too large"),
    "huge integer": ("9" * 5000, f"the number {'9' * 60} is too large"),
    "duplicate keys": ('{"a": {"b": 1, "c": 2, "b": 3}}', "key 'b' appears twice in one object"),
    "a million levels": ("[" * 1_000_000 + "]" * 1_000_000, "nested 1,000,000 levels deep, at most 64"),
    "a million open levels": ('{"a":' * 1_000_000, "nested 1,000,000 levels deep, at most 64"),
    "65 levels": ("[" * 65 + "]" * 65, "nested 65 levels deep"),
    "half a surrogate pair": (r'{"a": "\uD800"}', "half a surrogate pair"),
    "half a surrogate pair in a key": (r'{"\udc00": 1}', "half a surrogate pair"),
    "control character": ('{"a": "\n"}', "Invalid control character"),
    "single quotes": ("{'a': 1}", "line 1 column 2"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_json_is_one_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    text, message = BAD_JSON[name]
    path = tmp_path / "bad.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_json(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_json_that_only_looks_deep_or_broken_is_read() -> None:
    assert parse_json('"[[[["', where="text") == "[[[["
    brackets = "[" * 100
    assert parse_json(json.dumps({"a": f'\\"{brackets}\\'}), where="text") == {"a": f'\\"{brackets}\\'}
    assert parse_json(r'"\ud83e\uddec"', where="text") == "🧬"
    assert parse_json("[" * 64 + "]" * 64, where="text") is not None
    assert parse_json("[{}, {}, [], []]", where="text") == [{}, {}, [], []]


@given(st.text(alphabet='[]{}"\\ a,:1u', max_size=60))
def test_any_text_is_read_as_python_reads_it_or_refused(text: str) -> None:
    try:
        value = parse_json(text, where="text")
    except DataError:
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
            refuse_repeats(text)
    else:
        assert value == json.loads(text)


def refuse_repeats(text: str) -> None:
    """Parse with the standard parser, which accepts repeated keys, and refuse those."""
    repeats = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        repeats.append(len(dict(items)) < len(items))
        return dict(items)

    json.dumps(json.loads(text, object_pairs_hook=pairs), ensure_ascii=False).encode()
    if any(repeats):
        raise ValueError("repeated key")


def test_many_keys_of_which_one_is_repeated_are_checked_in_linear_time() -> None:
    keys = [f"key{number}" for number in range(200_000)] + ["key7"]
    text = "{" + ", ".join(f'"{key}": 0' for key in keys) + "}"
    with pytest.raises(DataError, match="key 'key7' appears twice"):
        parse_json(text, where="text")


def test_a_long_repeated_key_is_shortened_in_the_error() -> None:
    key = "k" * 100_000
    with pytest.raises(DataError, match="appears twice") as caught:
        parse_json(f'{{"{key}": 1, "{key}": 2}}', where="text")
    assert len(str(caught.value)) < 200


def test_a_file_of_100_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(DataError, match=r"large\.json: 100,000,000 bytes, at most 16,777,216 are read\.$"):
        read_json(path)


def test_a_device_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(DataError, match=rf"^/dev/zero: more than {MAX_JSON_BYTES:,} bytes"):
        read_json("/dev/zero")


def test_text_that_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'{"name": "K\xf6ln"}')
    with pytest.raises(DataError, match=r"latin\.json: not UTF-8 text \(byte 11\)"):
        read_json(tmp_path / "latin.json")


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: No such file or directory"):
        read_json(tmp_path / "none.json")
    with pytest.raises(DataError, match="Is a directory"):
        read_json(tmp_path)


def test_a_link_stays_a_link_and_permissions_stay_what_they_were(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o600)
    link.symlink_to(real)
    write_text(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o600


ADD = """
import sys
from pathlib import Path
from genotools.errors import DataError
from genotools.files import claimed_output

path, start = Path(sys.argv[1]), Path(sys.argv[2])
Path(f"{start}-{sys.argv[3]}").touch()
while not start.exists():
    pass
n_left = 60
while n_left:
    try:
        with claimed_output(path, lambda: None, busy="busy"):
            path.write_text(str(int(path.read_text()) + 1))
            n_left -= 1
    except DataError as error:
        assert str(error) == f"{path}: busy"
"""


def test_whoever_holds_an_output_is_alone_although_the_lock_goes_with_him(tmp_path: Path) -> None:
    """A lock file that is removed must not leave two processes that each hold one."""
    path, start = tmp_path / "count", tmp_path / "start"
    path.write_text("0")
    command = [sys.executable, "-c", ADD, str(path), str(start)]
    processes = [subprocess.Popen([*command, str(number)]) for number in range(4)]
    while not all(Path(f"{start}-{number}").exists() for number in range(4)):
        assert all(process.poll() is None for process in processes)
    start.touch()
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0, 0]
    assert path.read_text() == "240"
    assert not (tmp_path / "count.partial.lock").exists()


def test_an_output_that_came_meanwhile_is_seen_once_it_is_claimed(tmp_path: Path) -> None:
    asked: list[bool] = []

    def check_free() -> None:
        asked.append((tmp_path / "out.partial.lock").exists())
        if asked[-1]:
            raise OutputExistsError(tmp_path / "out")

    with (
        pytest.raises(OutputExistsError, match="exists already"),
        claimed_output(tmp_path / "out", check_free, busy="busy"),
    ):
        raise AssertionError("not to be reached")
    assert asked == [False, True]
    assert list(tmp_path.iterdir()) == []
