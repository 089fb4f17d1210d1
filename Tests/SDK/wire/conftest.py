"""A server for each file of wire checks, and the app that the file has made."""

import contextlib
import pathlib
import typing

import pytest
from harness import Server
from mock import MockApp


@contextlib.contextmanager
def serving(directory: pathlib.Path, app: MockApp) -> typing.Iterator[MockApp]:
    """The app on a server of its own, registered and with all its events sent."""
    server = Server(directory, "dev", "--no-poll")
    try:
        server.start()
        app.begin(server)
        yield app
    finally:
        app.close()
        if server.child is not None:
            server.child.kill()
            server.child.wait()


@pytest.fixture(scope="module")
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[MockApp]:
    with serving(tmp_path_factory.mktemp("wire"), request.module.app_under_test()) as app:
        yield app


@pytest.fixture(scope="module")
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[MockApp]:
    """Megabytes: the journal of the other tests stays short, and quick to look through."""
    with serving(tmp_path_factory.mktemp("large"), request.module.large_app()) as app:
        yield app


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """What the server said belongs to a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for name in ("app", "large"):
            if isinstance(app := getattr(item, "funcargs", {}).get(name), MockApp):
                report.sections.append(("what daybook said", app.server.said()[-4_000:]))
