"""One server for all wire checks that need no settings of their own; each file has an app of its own there."""

import typing

import pytest
from harness import Server
from mock import MockApp


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("wire"), "dev", "--no-poll")
    server.start()
    yield server
    server.child.kill()
    server.child.wait()


@pytest.fixture(scope="module")
def app(request: pytest.FixtureRequest, shared: Server) -> typing.Iterator[MockApp]:
    """The app that the file has made, with all its functions registered and all its events sent."""
    app: MockApp = request.module.app_under_test()
    app.begin(shared)
    yield app
    app.close()
