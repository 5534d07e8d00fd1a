"""The house: one list of dependencies, one syllabus, pages without dead links, workflows with least permissions."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course import ROOT, readme, release, syllabus

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
REGISTRIES = ("pypi" + ".org", "files." + "pythonhosted", "deb." + "debian.org", "registry." + "npmjs")

workflows = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def read_yaml(path: Path) -> dict:
    """A YAML file as written: `on` stays a word, which YAML 1.1 would take for a truth value."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)


def steps_of(job: dict) -> str:
    """What a job types into a shell."""
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def text_files() -> list[Path]:
    """The files that git tracks, or would with the next commit."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()]


# Dependencies


def test_the_conda_environment_lists_exactly_the_dependencies_of_pyproject():
    entries = read_yaml(ROOT / "environment.yml")["dependencies"]
    from_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    assert from_pip == ["--constraint constraints.txt", *PROJECT["dependencies"]]
    assert f"python {PROJECT['requires-python']}" in entries
    page = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert all(package in page for package in PROJECT["optional-dependencies"]["embedded"])


def test_every_direct_dependency_is_pinned_to_a_version_that_it_allows():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    extras = PROJECT["optional-dependencies"]
    for text in [*PROJECT["dependencies"], *extras["embedded"], *extras["dev"]]:
        wanted = Requirement(text)
        pinned = pins.get(canonicalize_name(wanted.name))
        assert pinned, f"{wanted.name} has no pin in constraints.txt"
        assert wanted.specifier.contains(pinned), f"{text}, but constraints.txt pins {pinned}"


# Syllabus and pages


def test_the_syllabus_covers_forty_weeks_in_an_order_that_can_be_taught():
    course = syllabus.load()
    stems = [notebook.stem for notebook in course.notebooks]
    assert [phase.number for phase in course.phases] == list(range(1, 15))
    assert len(stems) == len(set(stems)) == 41
    for notebook in course.notebooks:
        assert set(notebook.needs) <= set(stems[: stems.index(notebook.stem)]), f"{notebook.stem} needs a later one"
    taught = {week for first, last in (n.weeks for n in course.notebooks) for week in range(first, last + 1)}
    assert taught == set(range(1, 41))
    spans = [phase.weeks for phase in course.phases]
    assert [first for first, _ in spans] == [1, *(last + 1 for _, last in spans[:-1])], "a gap between phases"
    assert spans[-1][1] == 40


def test_readme_shows_the_syllabus_as_it_is():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.updated(text) == text, "README's table is out of date: make notebooks"
    course = syllabus.load()
    papers = [entry["title"] for entry in (*course.must_read, *course.recommended)]
    for line in (*papers, *course.advice, *(f"- {one['name']}: {one['use']}\n" for one in course.libraries)):
        assert line in text, f"README lacks: {line}"


def test_a_notebook_is_shown_as_there_exactly_when_its_file_is():
    rows = re.findall(r"^\|.*\b(week\d\d_\w+).*\| (\w+) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    shown = {Path(stem).stem: state for stem, state in rows}
    there = {path.stem for folder in ("solutions", "notebooks") for path in (ROOT / folder).glob("week*/*.ipynb")}
    assert shown == {n.stem: "there" if n.stem in there else "planned" for n in syllabus.load().notebooks}


@pages
def test_no_page_links_to_a_file_that_does_not_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text)
    for link in (markdown or html for markdown, html in links):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = page if not target else page.parent / target
        assert there.exists(), f"{page.name} links to {link}"
        if anchor:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_pages_name_the_repository_that_pyproject_names():
    own = release.repository()
    for page in PAGES:
        for address in re.findall(r"git clone [^\n]*?(https://\S+)", page.read_text(encoding="utf-8")):
            assert address.removesuffix(".git") == own


def test_no_file_names_the_host_of_a_package_registry():
    for path in text_files():
        text = path.read_text(encoding="utf-8", errors="replace")
        named = [host for host in REGISTRIES if host in text]
        assert not named, f"{path.relative_to(ROOT)} names {named}"


# Workflows


def test_workflows_follow_the_schema_of_github():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "gpu.yml", "release.yml"]


@workflows
def test_only_the_release_may_write_to_the_repository(path: Path):
    flow = read_yaml(path)
    assert flow["permissions"] == {"contents": "read"}
    for name, job in flow["jobs"].items():
        allowed = {"contents": "write"} if (path.stem, name) == ("release", "release") else {"contents": "read"}
        assert job.get("permissions", flow["permissions"]) == allowed, f"{path.name}, job {name}"


@workflows
def test_a_pull_request_gets_no_secret_and_no_machine_of_ours(path: Path):
    flow = read_yaml(path)
    assert "pull_request_target" not in flow["on"] and "workflow_run" not in flow["on"]
    if "pull_request" in flow["on"]:
        assert "secrets" not in path.read_text(encoding="utf-8")
        assert all("self-hosted" not in job["runs-on"] for job in flow["jobs"].values())
        checkouts = [s for job in flow["jobs"].values() for s in job["steps"] if "checkout" in s.get("uses", "")]
        assert all(step["with"]["persist-credentials"] == "false" for step in checkouts)


@workflows
def test_ci_does_what_a_person_does(path: Path):
    for name, job in read_yaml(path)["jobs"].items():
        typed = steps_of(job)
        assert re.search(r"\bmake\b", typed), f"{path.name}, job {name} does not call make"
        direct = re.search(r"\b(pip|nbgrader|papermill|pytest|jupyter)\b", typed)
        assert not direct, f"{path.name}, job {name} calls {direct} itself"


@workflows
def test_no_input_is_pasted_into_a_shell_command(path: Path):
    for name, job in read_yaml(path)["jobs"].items():
        assert "${{" not in steps_of(job), f"{path.name}, job {name}: hand it over in env"


@workflows
def test_workflows_call_only_verbs_that_the_makefile_has(path: Path):
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for job in read_yaml(path)["jobs"].values():
        called = re.findall(r"^\s*make (?:--\S+ )*([a-z]+)", steps_of(job), re.M)
        assert set(called) <= verbs, f"{path.name} calls make {set(called) - verbs}"


def test_the_ci_script_installs_system_packages_and_runs_make_test():
    script = ROOT / ".ci" / "run"
    lines = script.read_text(encoding="utf-8").splitlines()
    assert script.stat().st_mode & 0o111, ".ci/run cannot be executed"
    assert lines[-1] == "exec make test"
    assert not re.search(r"\b(pip|pytest)\b", "\n".join(lines))


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["check", "format"])
def test_code_and_notebooks_pass_ruff(command):
    ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "."]
    done = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
