"""Cancellation, batches and flow control, as the Python SDK registers them."""

from harness import App, Server, until

Both = tuple[Server, App, App]


def test_an_event_cancels_the_run_it_matches(both: Both) -> None:
    server, _, _ = both
    stays, goes = server.send("test/long-sleep", {"id": 1}), server.send("test/long-sleep", {"id": 2})
    for event in (stays, goes):
        until("the sleep", lambda event=event: "sleep" in server.cli("show", server.run(event)["run_id"]))
    server.send("test/stop", {"id": 2})
    assert server.ended(goes)["status"] == "Cancelled"
    run = server.run(stays)
    assert run["status"] == "Running"
    for _ in range(2):
        assert server.http.delete(f"/v1/runs/{run['run_id']}").status_code == 200
    assert server.ended(stays)["status"] == "Cancelled"


def test_events_come_in_batches(both: Both) -> None:
    server, _, _ = both
    server.send_all([{"name": "test/batched", "data": {"n": n}} for n in range(4)])

    def outputs() -> list[list[int]] | None:
        events = server.get("/v1/events?name=test/batched")["data"]
        runs = {run["run_id"]: run for event in events for run in server.runs(event["internal_id"])}
        return [run["output"] for run in runs.values()] if len(runs) == 2 and all(
            run["status"] == "Completed" for run in runs.values()
        ) else None

    assert sorted(until("both batches", outputs), key=len) == [[3], [0, 1, 2]]


def test_the_last_of_several_events_counts(both: Both) -> None:
    server, _, _ = both
    events = [server.send("test/debounced", {"n": n}) for n in range(3)]
    run = until("the run", lambda: [run for event in events for run in server.runs(event)])[0]
    done = until("its end", lambda: (now := server.get(f"/v1/runs/{run['run_id']}")["data"])["ended_at"] and now)
    assert done["output"] == 2


def test_events_over_the_rate_are_dropped_and_keys_are_used_once(both: Both) -> None:
    server, _, _ = both
    for name in ("test/rate-limited", "test/once-a-key"):
        first, second, other = (server.send(name, {"k": k, "n": 1}) for k in ("a", "a", "b"))
        assert server.ended(first)["status"] == server.ended(other)["status"] == "Completed"
        assert server.runs(second) == []


def test_an_event_id_counts_once(both: Both) -> None:
    server, _, _ = both
    first, second = (server.send("test/gives-up", id="mine") for _ in range(2))
    assert first != second
    assert server.ended(first)["status"] == "Failed"
    assert server.runs(second) == []


def test_starts_are_spread_by_a_throttle(both: Both) -> None:
    server, flask, _ = both
    for event in [server.send("test/throttled") for _ in range(3)]:
        assert server.ended(event)["status"] == "Completed"
    times = sorted(line["time"] for line in flask.log("at", what="throttled"))
    assert all(later - earlier > 1.5 for earlier, later in zip(times, times[1:]))


def test_a_limit_of_one_is_never_exceeded(both: Both) -> None:
    server, flask, _ = both
    for event in [server.send("test/one-at-a-time") for _ in range(4)]:
        assert server.ended(event)["status"] == "Completed"
    assert [line["number"] for line in flask.log("inside")] == [1, 1, 1, 1]


def test_singletons_skip_or_cancel(both: Both) -> None:
    server, _, _ = both
    first = server.send("test/single", {"k": 1, "n": 1})
    until("the first run", lambda: server.runs(first))
    skipped, other = server.send("test/single", {"k": 1, "n": 2}), server.send("test/single", {"k": 2, "n": 3})
    assert server.ended(first)["output"] == 1
    assert server.ended(other)["output"] == 3
    assert server.runs(skipped) == []

    old = server.send("test/newest", {"n": 1})
    until("the old run", lambda: server.runs(old))
    new = server.send("test/newest", {"n": 2})
    assert server.ended(old)["status"] == "Cancelled"
    assert server.ended(new)["output"] == 2


def test_a_run_that_takes_too_long_is_cancelled(both: Both) -> None:
    server, _, _ = both
    assert server.ended(server.send("test/in-time"))["status"] == "Cancelled"
