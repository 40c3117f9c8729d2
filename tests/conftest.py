"""Fixtures for all tests. What needs an engine skips visibly where it is absent, and fails there in CI."""

from __future__ import annotations

import compileall
import gc
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bare_imports import start_bare
from tests.huge_pages import use_huge_pages
from tests.sharing import once, shared_folder
from tests.warm_python import WarmPython, provide, start, warm_python

pytest_plugins = [
    "tests.integration.orchestrated",
    "tests.integration.released",
    "tests.parts.fixtures",
    "tests.shipping.fixtures",
    "tests.workspace.fixtures",
]
os.environ.update(DVC_NO_ANALYTICS="1", WANDB_SILENT="true", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # idle threads of one stage would spin on the cores of the other worker
os.environ.setdefault("GOGC", "off")  # Terraform, its provider and act end before their garbage is worth collecting
os.environ.setdefault("GOMEMLIMIT", "1GiB")  # from here on they collect it
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A shell has what it puts into the background ignore Ctrl-C, and all that the tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def in_memory() -> str:
    """A folder in memory for what tests write, where this system has one with room: the program waits for the disk
    after each file of a change, and DVC after each stage. Else the usual one for temporary files."""
    folder, room = "/dev/shm", 4 << 20
    try:
        known = os.statvfs(folder)
        available = re.search(r"^MemAvailable: *(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    except OSError:
        return tempfile.gettempdir()
    if not os.access(folder, os.W_OK) or known.f_flag & os.ST_NOEXEC or available is None:
        return tempfile.gettempdir()
    kilobytes = min(int(available[1]), known.f_bavail * known.f_frsize >> 10)
    return folder if kilobytes > room else tempfile.gettempdir()


os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", in_memory())
REQUIRED = os.environ.get("MLSPEC_REQUIRE_ENGINES") == "1"
CHECKOUT = Path(__file__).resolve().parent.parent


def missing(what: str) -> None:
    """Skip for want of `what`; in CI that is a failure, so that no engine goes missing unseen."""
    if REQUIRED:
        pytest.fail(f"{what} is required here (MLSPEC_REQUIRE_ENGINES=1)")
    pytest.skip(f"needs {what}")


@pytest.fixture(scope="session")
def docker() -> str:
    """The Docker client that has BuildKit; Debian's lies in /usr/bin."""
    client = "/usr/bin/docker" if Path("/usr/bin/docker").exists() else shutil.which("docker")
    if not client or subprocess.run([client, "info"], capture_output=True).returncode:
        missing("a Docker engine")
    return str(client)


class PatientBrowser:
    """A browser whose pages wait longer than Playwright's 30 s: beside other tests, its first page takes a while."""

    def __init__(self, browser: Any) -> None:
        self._browser = browser

    def new_context(self, **options: Any) -> Any:
        """As Playwright's."""
        return self._patient(self._browser.new_context(**options))

    def new_page(self, **options: Any) -> Any:
        """As Playwright's."""
        return self._patient(self._browser.new_page(**options))

    def _patient(self, opened: Any) -> Any:
        opened.set_default_timeout(180_000)
        return opened


@pytest.fixture(scope="session")
def chromium() -> Iterator[PatientBrowser]:
    """A real browser, from where Debian puts it: one a process, since Playwright bears no second."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        missing("headless Chromium")
    if importlib.util.find_spec("playwright") is None:
        missing("the package playwright")
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=flags)
        yield PatientBrowser(browser)
        browser.close()


def _run() -> int:
    """The process of the whole run, not of one worker."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


@pytest.fixture(scope="session", autouse=True)
def _warm_programs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """`warm_python()` has its server in a folder that all workers share."""
    provide(lambda: once(shared_folder(tmp_path_factory, "warm"), lambda folder: start(folder, _run())))


@pytest.fixture(scope="session")
def warm(_warm_programs: None) -> WarmPython:
    """A Python that has the heavy imports done, one for all workers."""
    return warm_python()


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> WarmPython:
    """The same with what `mlspec[aws]` installs, without the packages that train and run models."""
    return WarmPython(once(shared_folder(tmp_path_factory, "bare"), lambda folder: start_bare(folder, _run())))


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of this checkout."""
    return CHECKOUT


@pytest.fixture(scope="session", autouse=True)
def only_its_own_plugins() -> None:
    """The pytest of a project in a test loads no plugin: those of mlspec's own tests take two seconds a start."""
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


def _handed() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith("MLSPEC_")}


@pytest.fixture(autouse=True)
def own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each test imports the modules of its own project, and hands its own choices to the stages: what one test, or a
    fixture of many, put on the path would win over a later one, and the command line hands `--target` on in the
    environment."""
    base, handed = str(tmp_path_factory.getbasetemp()), _handed()
    path = [entry for entry in sys.path if not entry.startswith(base)]
    yield
    sys.path[:] = path
    for name in _handed().keys() - handed.keys():
        del os.environ[name]
    os.environ.update(handed)
    if "src" in sys.modules:
        for name in [name for name in sys.modules if name == "src" or name.startswith("src.")]:
            del sys.modules[name]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the golden files; read them before committing")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The workers of `-n auto`: one more than there are cores, since many tests wait for a program that they started."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package once: the many processes that tests start would each do it where Python writes no bytecode."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(CHECKOUT / "mlspec", quiet=2)


LONGEST = (
    "tests/integration/test_terraform.py::test_the_life",
    "tests/integration/test_every_workflow.py",
    "tests/integration/test_release.py",
    "tests/integration/test_retraining_workflow.py",
    "tests/integration/test_release_tools.py",
    "tests/integration/test_prefect.py",
    "tests/scenarios/test_readme.py::test_the_tour",
    "tests/scenarios/test_docs.py::test_the_rehearsal",
    "tests/scenarios/test_docs.py::test_the_tutorial",
    "tests/integration/test_mlflow.py",
    "tests/integration/test_airflow.py",
    "tests/scenarios/test_retraining_loop.py",
    "tests/integration/test_serverless.py::test_a_plan_of_an_empty_account",
    "tests/integration/test_dagster.py::test_an_alarm",
    "tests/integration/test_orchestrated_starters.py",
    "tests/scenarios/equivalence/test_equivalence.py",
    "tests/test_starters.py::test_its_whole_line",
    "tests/integration/test_textattack.py",
    "tests/scenarios/test_staleness.py",
    "tests/shipping/rehearsal/test_rehearsal.py",
    "tests/integration/test_workflow_runs.py",
    "tests/integration/test_terraform.py",
    "tests/scenarios/test_wheel.py",
)
"""What begins before all else, so that no worker still runs one of these when the other has no tests left."""


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """Keep the compiled tests for the next run, also where Python writes no bytecode: pytest rewrites each assertion.

    Garbage collections meanwhile take a quarter of the time, and find little: what is imported stays.
    """
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    gc.disable()
    yield
    gc.enable()
    sys.dont_write_bytecode = before


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, in this order; the others keep theirs."""

    def place(item: pytest.Item) -> int:
        return next((at for at, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))

    items.sort(key=place)


def _keep_out_of_collections() -> None:
    """Free what is garbage, and keep the rest out of garbage collections: each would visit millions of objects."""
    gc.collect()
    gc.freeze()


def pytest_collection_finish() -> None:
    """What is imported and collected by now stays."""
    _keep_out_of_collections()
    gc.set_threshold(20_000)
    use_huge_pages()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """After the last test of a file, so does what its tests have imported: a stage that collects garbage after each of
    its trials would otherwise take longer the more tests were before it."""
    yield
    if nextitem is None or nextitem.path != item.path:
        _keep_out_of_collections()


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update"))
