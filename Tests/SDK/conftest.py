import pathlib
import typing

import pytest
from harness import App, Process, Server


class World:
    """A server and its apps; all are stopped at the end."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.processes: list[Process] = []

    def server(self, mode: str = "dev", *options: str, **environment: str) -> Server:
        server = Server(self.directory, mode, *options, **environment)
        self.processes.append(server)
        return server

    def app(self, name: str, server: Server, **environment: str) -> App:
        app = App(self.directory, name, server.port, **environment)
        self.processes.append(app)
        return app

    def close(self) -> None:
        for process in reversed(self.processes):
            if process.child is not None:
                process.child.kill()
                process.child.wait()


@pytest.fixture
def world(tmp_path: pathlib.Path) -> typing.Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> typing.Iterator[tuple[Server, App, App]]:
    """One server for a whole file, with both apps registered."""
    world = World(tmp_path_factory.mktemp("both"))
    server = world.server()
    flask, fastapi = world.app("flask", server), world.app("fastapi", server)
    flask.start()
    fastapi.start()
    server.start(flask, fastapi)
    wait_for_apps(server, "flask", "fastapi")
    yield server, flask, fastapi
    world.close()


def wait_for_apps(server: Server, *names: str) -> None:
    from harness import until

    for name in names:
        until(f"app {name} to register", lambda name=name: server.get(f"/v1/apps/{name}/functions"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """What the processes said belongs to a failure."""
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for value in getattr(item, "funcargs", {}).values():
            processes = value.processes if isinstance(value, World) else [value] if isinstance(value, Process) else []
            if isinstance(value, tuple):
                processes = [entry for entry in value if isinstance(entry, Process)]
            for process in processes:
                report.sections.append((f"what {process.name} said", process.said()[-4_000:]))
