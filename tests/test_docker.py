"""The image and its composition agree with the project: paths, commands, settings, promises."""

import fnmatch
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from impasto.cli import studio as command
from impasto.studio import serving
from impasto.studio.premises import API
from impasto.studio.settings import StudioSettings

ROOT = Path(__file__).parent.parent
TOKEN = "open-the-door-please"


def _read_dockerfile() -> list[tuple[str, str]]:
    """Instructions and their words, continued lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
             if not line.lstrip().startswith("#")]  # fmt: skip
    whole = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.partition(" ")[0], line.partition(" ")[2])
            for line in whole.splitlines() if line.strip()]  # fmt: skip


INSTRUCTIONS = _read_dockerfile()
LAST = INSTRUCTIONS[max(i for i, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def _only(name: str) -> str:
    found = [words for one, words in LAST if one == name]
    assert len(found) == 1, (name, found)
    return found[0]


def _compose() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"])


def _start(*more: str) -> StudioSettings:
    """The settings of the box, by its own entry point."""
    program, name, *words = json.loads(_only("ENTRYPOINT"))
    assert program in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert name == "studio"
    return _call([*words, *more])


def _call(words: list[str]) -> StudioSettings:
    from impasto.cli import app

    started: list[StudioSettings] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "serve", lambda settings, tell: started.append(settings))
        app(["studio", *words], exit_on_error=False, result_action="return_value")
    return started[0]


def _is_sent(path: str) -> bool:
    """Whether .dockerignore lets a path through; its last fitting line decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").split():
        pattern = line.removeprefix("!")
        if line != "#" and any(fnmatch.fnmatch(part, pattern) for part in (path, Path(path).name)):
            sent = line.startswith("!")
    return sent


def test_everything_that_is_copied_is_there() -> None:
    copied = [words.split() for name, words in INSTRUCTIONS if name == "COPY"]
    sources = [path for words in copied if "--from" not in words[0] for path in words[:-1]]
    assert {"src", "pyproject.toml", "constraints.txt"} <= set(sources)
    assert not [path for path in sources if not (ROOT / path).exists() or not _is_sent(path)]
    assert not _is_sent("tests")
    assert not _is_sent(".git")
    assert not _is_sent("x.pyc")


def test_what_the_project_is_built_from_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    copied = {path for name, words in INSTRUCTIONS if name == "COPY" for path in words.split()}
    assert {project["readme"], *project["license-files"]} <= copied


def test_needs_are_read_as_pip_reads_them(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """The one line of Python in the image does what it says."""
    line = next(words for name, words in INSTRUCTIONS if name == "RUN" and "tomllib" in words)
    words = shlex.split(line)
    monkeypatch.chdir(ROOT)
    exec(words[words.index("-c") + 1], {})
    needs = capsys.readouterr().out.split("\n")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["studio"]
    assert set(wanted) <= set(needs)
    assert words[-2:] == [">", "needs.txt"]


def test_torch_is_the_pinned_one_for_the_processor() -> None:
    arguments = dict(words.split("=", 1) for name, words in LAST if name == "ARG")
    assert arguments == {"TORCH_BUILD": "+cpu", "TORCH_INDEX": ""}
    pinned = re.findall(r"^torch==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert len(pinned) == 1
    installs = [words for name, words in LAST if name == "RUN" and "pip install" in words]
    assert "sed -n 's/^torch==//p' constraints.txt" in installs[1]
    assert all("--constraint constraints.txt" in words for words in installs[:-1])
    assert "--no-deps" in installs[-1]


def test_nothing_is_fetched_from_a_named_host() -> None:
    text = "".join((ROOT / name).read_text() for name in ("Dockerfile", "compose.yaml"))
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    assert hosts == {"127.0.0.1"}


def test_it_does_not_run_as_root() -> None:
    user = _only("USER")
    made = next(words for name, words in LAST if name == "RUN" and "useradd" in words)
    assert user.isdecimal()
    assert int(user) >= 1000
    assert f"--uid {user}" in made
    names = [name for name, _ in LAST]
    assert "RUN" not in names[names.index("USER") :]


def test_port_and_folder_are_those_of_the_settings() -> None:
    settings, port = _start(), _only("EXPOSE")
    assert not settings.is_local, "nobody outside the box would reach it"
    assert not settings.browser
    assert str(settings.port) == port
    assert settings.data.is_relative_to(_only("VOLUME"))
    assert (
        f"http://127.0.0.1:{port}{API}/health"
        in json.loads(_only("HEALTHCHECK").partition("CMD ")[2])[2]
    )
    home = dict(word.split("=", 1) for word in _only("ENV").split())["IMPASTO_HOME"]
    assert Path(home).is_relative_to(_only("VOLUME"))
    for service in _compose().values():
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"], "only this computer reaches it"
        assert service["volumes"] == [f"studio:{_only('VOLUME')}"]


def test_more_settings_can_follow() -> None:
    settings = _start("--devices", "cuda:0", "--names", "studio.example")
    assert settings.devices == ("cuda:0",)
    assert "studio.example" in settings.names


def test_token_may_lie_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _start().token is None
    monkeypatch.setenv("IMPASTO_TOKEN", TOKEN)
    assert _start().token == TOKEN
    assert _start("--token", TOKEN[::-1]).token == TOKEN[::-1]
    monkeypatch.setenv("IMPASTO_TOKEN", "")
    assert _start().token is None
    assert command.StudioOptions().given() == {}


@pytest.mark.parametrize("name", ["studio", "studio-cuda"])
def test_composition_wants_a_token_and_gives_few_rights(name: str) -> None:
    service = _compose()[name]
    assert service["environment"]["IMPASTO_TOKEN"].startswith("${IMPASTO_TOKEN:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["stop_grace_period"].removesuffix("s")) > serving._END_SECONDS
    known = {words.partition("=")[0] for name, words in INSTRUCTIONS if name == "ARG"}
    assert set(service["build"]["args"]) <= known


def test_docs_publish_to_this_computer_only() -> None:
    lines = (ROOT / "docs/docker.md").read_text("utf-8").splitlines()
    runs = [line for line in lines if line.startswith("docker run --init")]
    assert len(runs) == 2
    assert all(
        "--publish 127.0.0.1:7860:7860" in line and "IMPASTO_TOKEN=" in line for line in runs
    )
