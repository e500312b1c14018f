"""Hold the newcomer's way: two scripts any shell runs, lists that pin and hash everything and name no addresses."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("run", "test", "scripts/setup.sh", ".ci/run")
LISTS = ("build", "run", "test", "node", "peers", "bench", "fuzz")
INTEROP = ROOT / "tests" / "interop"


def pins(name: str) -> dict[str, str]:
    """Return the pinned version of each package of a list."""
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")))


def shell(*arguments: str, cwd: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Run a script as on a machine with nothing but a PATH."""
    environment = {"PATH": path, "HOME": str(cwd)}
    return subprocess.run(
        ["/bin/sh", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def a_program(folder: Path, name: str, body: str) -> Path:
    """Write a shell script that stands in for a program on the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
    program.chmod(0o755)
    return program


def a_python(program: Path) -> Path:
    """Write a stand-in for a suitable Python: it makes empty environments and logs what it was asked for."""
    body = f"""
        echo "$*" >>{program}.log
        case "$1 $2" in
            "-c "*) echo {program} ;;
            "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
        esac"""
    return a_program(program.parent, program.name, body)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of what ./run and ./test need, without a .venv."""
    root = tmp_path / "checkout"
    for folder in ("scripts", "requirements"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("run", "test", "pyproject.toml"):
        shutil.copy2(ROOT / file, root)
    return root


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_can_be_started(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


@pytest.mark.parametrize("interpreter", ["sh", "dash"])
@pytest.mark.parametrize("script", SCRIPTS[:3])
def test_script_is_one_that_any_shell_reads(script: str, interpreter: str) -> None:
    program = shutil.which(interpreter)
    if program is None:
        pytest.skip(f"{interpreter} is not installed")
    assert (ROOT / script).read_text("utf-8").startswith("#!/bin/sh\n")
    checked = subprocess.run([program, "-n", ROOT / script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("name", LISTS)
def test_every_line_of_a_list_is_pinned_and_hashed(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    entries = re.sub(r"(?m)#.*$", "", text).replace("\\\n", " ").split("\n")
    required = [entry for entry in entries if entry.strip()]
    assert required
    for entry in required:
        assert re.fullmatch(r"[a-z0-9-]+==\S+( ; [^-]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry), entry[:80]


@pytest.mark.parametrize(
    "file",
    [*(f"requirements/{name}.txt" for name in LISTS), "tests/interop/package-lock.json", "tests/interop/.npmrc"],
)
def test_list_names_no_address_and_no_machine(file: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|/(home|root|tmp|opt)/|registry\s*=", text)


def test_node_lock_pins_and_hashes_what_package_json_asks_for() -> None:
    wanted = json.loads((INTEROP / "package.json").read_text("utf-8"))["dependencies"]
    packages = json.loads((INTEROP / "package-lock.json").read_text("utf-8"))["packages"]
    assert packages.pop("")["dependencies"] == wanted
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    for package in packages.values():
        assert package["integrity"].startswith("sha512-")
        assert "resolved" not in package


def test_lists_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = {"run": project["project"]["dependencies"], **project["dependency-groups"]}
    assert asked.keys() == set(LISTS)
    assert asked["build"] == project["build-system"]["requires"]
    for name, requirements in asked.items():
        pinned = pins(name)
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(pinned[requirement.name]), requirement


def test_tests_run_with_the_versions_that_operators_get() -> None:
    assert pins("run").items() <= pins("test").items()


def test_readme_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert "./run" in readme
    assert "./test" in readme


def test_pythons_that_do_not_run_or_do_not_suit_are_passed_over(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    a_program(programs, "python3", "exit 127")  # a shim without its Python
    a_program(programs, "python3.13", "exit 2")  # another version
    a_python(programs / "python3.12")
    ended = shell("scripts/setup.sh", "run", cwd=checkout, path=f"{programs}:/usr/bin:/bin")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert f"({programs}/python3.12)" in ended.stderr


def test_set_up_does_only_what_is_new(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    python = a_python(programs / "python3")
    a_program(programs, "node", "echo v20.19.0")
    a_program(programs, "npm", 'mkdir -p node_modules; echo "npm $*" >>"$0.log"')
    a_program(programs, "id", "echo 1000")  # so that nothing is installed on this machine
    a_program(programs, "turnserver", "exit 0")

    def set_up(what: str) -> list[str]:
        """Return the modules and lists that Python and npm were asked for."""
        logs = [log for log in (Path(f"{python}.log"), programs / "npm.log") if log.exists()]
        for log in logs:
            log.unlink()
        ended = shell("scripts/setup.sh", what, cwd=checkout, path=f"{programs}:/usr/bin:/bin")
        assert (ended.returncode, ended.stdout) == (0, "")
        said = "".join(log.read_text("utf-8") for log in (Path(f"{python}.log"), programs / "npm.log") if log.exists())
        return re.findall(r"-m venv|requirements/[a-z]+\.txt|--editable|npm ci", said)

    (checkout / "tests" / "interop").mkdir(parents=True)
    lock = checkout / "tests" / "interop" / "package-lock.json"
    lock.write_text("{}", "utf-8")
    run_list, test_list = (checkout / "requirements" / f"{name}.txt" for name in ("run", "test"))
    from_nothing = ["-m venv", "requirements/build.txt"]
    peers = ["-m venv", "requirements/peers.txt"]
    peers_list = checkout / "requirements" / "peers.txt"

    assert set_up("run") == [*from_nothing, "requirements/run.txt", "--editable"]
    assert set_up("run") == []
    assert set_up("test") == ["requirements/test.txt", *peers, "npm ci"]
    assert set_up("test") == set_up("run") == []
    assert set_up("bench") == ["requirements/bench.txt"]
    assert set_up("bench") == []
    assert set_up("fuzz") == ["requirements/fuzz.txt"]
    assert set_up("fuzz") == []

    lock.write_text("{ }", "utf-8")
    assert set_up("test") == ["npm ci"]
    peers_list.write_text("a==1\n", "utf-8")
    assert set_up("test") == peers
    (checkout / "pyproject.toml").write_text("", "utf-8")
    assert set_up("run") == ["--editable"]
    test_list.write_text("a==1\n", "utf-8")
    assert set_up("run") == [*from_nothing, "requirements/run.txt", "--editable"]
    run_list.write_text("a==1\n", "utf-8")
    assert set_up("test") == [*from_nothing, "requirements/test.txt", "--editable", *peers, "npm ci"]
    (checkout / ".venv" / "bin" / "python").unlink()  # the system's Python was replaced
    assert set_up("test") == [*from_nothing, "requirements/test.txt", "--editable", *peers, "npm ci"]


def test_checkout_that_was_moved_is_set_up_anew(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    a_python(programs / "python3")
    path = f"{programs}:/usr/bin:/bin"
    assert shell("scripts/setup.sh", "run", cwd=checkout, path=path).returncode == 0
    moved = checkout.rename(tmp_path / "elsewhere")
    assert "Setting up" in shell("scripts/setup.sh", "run", cwd=moved, path=path).stderr


def test_without_a_python_the_person_is_told_what_to_do(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("cat", "cksum", "date", "dirname", "rm"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    a_program(programs, "python3", "exit 127")
    ended = shell("run", cwd=checkout, path=str(programs))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "No Python 3.11, 3.12 or 3.13 was found" in ended.stderr
    assert "Next: install one" in ended.stderr


def test_packages_are_not_installed_for_somebody_else_than_root(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    for name in ("cat", "cksum", "date", "dirname", "rm"):
        programs.mkdir(exist_ok=True)
        (programs / name).symlink_to(f"/usr/bin/{name}")
    a_program(programs, "id", "echo 1000")
    a_program(programs, "apt-get", f"touch {tmp_path}/called")
    a_program(programs, "python3", "echo 3.11; exit 3")  # Debian's, without python3-venv
    ended = shell("run", cwd=checkout, path=str(programs))
    assert ended.returncode == 1
    assert "sudo apt-get install --no-install-recommends python3.11-venv" in ended.stderr
    assert not (tmp_path / "called").exists()


def test_list_that_cannot_be_installed_ends_with_what_to_do(checkout: Path) -> None:
    build = checkout / "requirements" / "build.txt"
    build.write_text(f"setuptools==0.0.0 --hash=sha256:{'0' * 64}\n", "utf-8")
    environment = {"PATH": os.defpath, "PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    environment["SWITCHBOARD_PYTHON"] = sys.executable
    ended = subprocess.run(
        ["/bin/sh", "run"], cwd=checkout, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "requirements/build.txt could not be installed" in ended.stderr
    assert "Next: " in ended.stderr
    assert not (checkout / ".venv" / "run.stamp").exists()


def a_checkout_that_is_set_up(checkout: Path) -> Path:
    """Replace set-up and program with ones that only say how they were called."""
    a_program(checkout / "scripts", "setup.sh", "exit 0")
    a_program(
        checkout / ".venv" / "bin",
        "switchboard",
        'echo "$*" "in=${SWITCHBOARD_HOME-}"\n'
        '[ "$1" != init ] || { mkdir -p "${SWITCHBOARD_HOME:=data}" && : >"$SWITCHBOARD_HOME/relay.toml"; }',
    )
    return checkout


def test_demo_and_only_the_demo_looks_after_a_turn_server(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    a_python(programs / "python3")
    for name in ("cat", "cksum", "cp", "date", "dirname", "flock", "grep", "mkdir", "mktemp", "rm"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    a_program(programs, "id", "echo 0")
    a_program(programs, "apt-get", f'echo "$*" >>{tmp_path}/asked; exit 100')
    asked = tmp_path / "asked"

    assert shell("scripts/setup.sh", "run", cwd=checkout, path=str(programs)).returncode == 0
    assert not asked.exists()
    ended = shell("scripts/setup.sh", "demo", cwd=checkout, path=str(programs))
    assert ended.returncode == 0  # the demo itself says what it goes without
    assert "installing coturn with apt-get (for a real allocation)" in ended.stderr
    assert "Could not install: coturn" in ended.stderr
    assert [line.split()[3] for line in asked.read_text("utf-8").splitlines()] == ["install", "update"]


def test_tests_ask_the_system_for_a_turn_server_and_nothing_that_none_of_them_uses(
    checkout: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "programs"
    a_python(programs / "python3")
    for name in ("cat", "cksum", "cp", "date", "dirname", "flock", "grep", "mkdir", "mktemp", "rm"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    a_program(programs, "node", "echo v20.19.0")
    a_program(programs, "npm", "exit 0")
    a_program(programs, "sh", 'exec /bin/sh "$@"')
    a_program(programs, "id", "echo 0")
    a_program(programs, "apt-get", f'echo "$*" >>{tmp_path}/asked')
    (checkout / "tests" / "interop").mkdir(parents=True)
    (checkout / "tests" / "interop" / "package-lock.json").write_text("{}", "utf-8")
    ended = shell("scripts/setup.sh", "test", cwd=checkout, path=str(programs))
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr
    (asked,) = (tmp_path / "asked").read_text("utf-8").splitlines()
    assert [word for word in asked.split() if not word.startswith("-")][-2:] == ["install", "coturn"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], ["init --brief in=data", "run in="]),
        (["--home", "there"], ["init --brief in=there", "run --home there in="]),
        (["run", "--home=there"], ["init --brief in=there", "run --home=there in="]),
        (["demo", "--fast"], ["demo --fast in="]),
        (["init", "--buildit"], ["init --buildit in="]),
    ],
)
def test_run_makes_a_configuration_only_when_the_bridge_is_to_start(
    arguments: list[str], said: list[str], checkout: Path
) -> None:
    a_checkout_that_is_set_up(checkout)
    first, second = (shell("run", *arguments, cwd=checkout, path=os.defpath) for _ in range(2))
    assert (first.stdout.splitlines(), first.stderr) == (said, "")
    assert second.stdout.splitlines() == (said if arguments[:1] in (["demo"], ["init"]) else said[1:])


def test_run_keeps_its_data_beside_itself_wherever_it_is_called_from(checkout: Path, tmp_path: Path) -> None:
    a_checkout_that_is_set_up(checkout)
    ended = shell(str(checkout / "run"), cwd=tmp_path, path=os.defpath)
    assert ended.stdout.splitlines() == [f"init --brief in={checkout}/data", f"run in={checkout}/data"]


def test_run_explains_itself_before_anything_is_set_up(checkout: Path) -> None:
    ended = shell("run", "--help", cwd=checkout, path=os.defpath)
    assert ended.returncode == 0
    assert "./run demo" in ended.stdout
    assert not (checkout / ".venv").exists()
