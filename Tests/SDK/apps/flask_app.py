"""A Flask app with a function for each thing that the server must be able to do. All handlers are synchronous."""

import datetime
import os
import threading
import time

import flask
import inngest
import inngest.flask
from log import note, note_call

client = inngest.Inngest(app_id="flask", is_production=os.environ.get("APP_SIGNED") == "1")
app = flask.Flask(__name__)
seconds = lambda number: datetime.timedelta(seconds=number)  # noqa: E731
functions: list[inngest.Function] = []


def function(fn_id: str, event: str | None = None, **options: object):
    """Registers a function started by an event of its own name."""

    def decorate(handler):
        made = client.create_function(
            fn_id=fn_id, trigger=inngest.TriggerEvent(event=event or f"test/{fn_id}"), **options
        )(handler)
        functions.append(made)
        return made

    return decorate


def ran(ctx: inngest.ContextSync, step: str, value: object = None) -> object:
    """A step's body: notes that it ran."""
    note(kind="ran", fn=ctx.event.name, run=ctx.run_id, step=step, attempt=ctx.attempt)
    return value


@function("every-step", retries=1)
def every_step(ctx: inngest.ContextSync) -> dict[str, object]:
    step, data = ctx.step, ctx.event.data
    first = step.run("run", lambda: ran(ctx, "run", {"n": 1, "text": "é\n\"quoted\""}))
    step.sleep("sleep", seconds(1))
    step.sleep_until("sleep-until", datetime.datetime.now(datetime.timezone.utc) + seconds(1))
    sent = step.send_event("send", [inngest.Event(name="test/heard", data={"from": data["id"]})])
    child = step.invoke("invoke", function=double, data={"n": 21})
    unknown = None
    try:
        step.invoke_by_id("unknown", function_id="none")
    except Exception as error:
        unknown = str(error)
    late = step.wait_for_event("late", event="test/never", timeout=seconds(1))
    met = step.wait_for_event(
        "met", event="test/answer", if_exp="event.data.id == async.data.id", timeout=seconds(60)
    )
    left, right = ctx.group.parallel(
        (
            lambda: step.run("left", lambda: ran(ctx, "left", "l")),
            lambda: step.run("right", lambda: ran(ctx, "right", "r")),
        )
    )
    caught = None
    try:
        step.run("fails", lambda: fail(ctx, "fails"))
    except inngest.StepError as error:
        caught = error.message
    repeated = [step.run("again", lambda n=n: n) for n in range(3)]
    return {
        "first": first,
        "sent": len(sent),
        "child": child,
        "unknown": unknown,
        "late": late is None,
        "met": met.data if met else None,
        "parallel": [left, right],
        "caught": caught,
        "repeated": repeated,
    }


def fail(ctx: inngest.ContextSync, step: str) -> None:
    ran(ctx, step)
    raise ValueError(f"{step} went wrong")


@function("double", retries=0)
def double(ctx: inngest.ContextSync) -> int:
    return ctx.step.run("twice", lambda: 2 * ctx.event.data["n"])


@function("heard")
def heard(ctx: inngest.ContextSync) -> object:
    return ctx.event.data["from"]


@function("third-time", retries=4)
def third_time(ctx: inngest.ContextSync) -> str:
    def body() -> str:
        ran(ctx, "body")
        if ctx.attempt < 2:
            raise RuntimeError("not yet")
        return "at last"

    return ctx.step.run("body", body)


@function("code-fails-once", retries=1)
def code_fails_once(ctx: inngest.ContextSync) -> str:
    ctx.step.run("before", lambda: ran(ctx, "before"))
    if ctx.attempt == 0:
        raise RuntimeError("between steps")
    return "done"


def mourn(ctx: inngest.ContextSync) -> None:
    note(kind="failed", data=ctx.event.data)


@function("never-works", retries=1, on_failure=mourn)
def never_works(ctx: inngest.ContextSync) -> None:
    raise KeyError("no such thing")


@function("gives-up", retries=4)
def gives_up(ctx: inngest.ContextSync) -> None:
    ran(ctx, "code")
    raise inngest.NonRetriableError("hopeless")


@function("not-before", retries=2)
def not_before(ctx: inngest.ContextSync) -> float:
    if ctx.attempt == 0:
        note(kind="at", what="first", time=time.time())
        raise inngest.RetryAfterError("come back", seconds(3))
    note(kind="at", what="second", time=time.time())
    return 1.0


@function(
    "long-sleep",
    cancel=[inngest.Cancel(event="test/stop", if_exp="event.data.id == async.data.id")],
)
def long_sleep(ctx: inngest.ContextSync) -> str:
    ctx.step.run("before", lambda: ran(ctx, "before"))
    ctx.step.sleep("sleep", datetime.timedelta(days=7))
    return "slept"


@function("batched", batch_events=inngest.Batch(max_size=3, timeout=seconds(2)))
def batched(ctx: inngest.ContextSync) -> list[object]:
    return [event.data["n"] for event in ctx.events]


@function("debounced", debounce=inngest.Debounce(period=seconds(1)))
def debounced(ctx: inngest.ContextSync) -> object:
    return ctx.event.data["n"]


@function("rate-limited", rate_limit=inngest.RateLimit(limit=1, period=seconds(60), key="event.data.k"))
def rate_limited(ctx: inngest.ContextSync) -> object:
    return ctx.event.data["n"]


@function("once-a-key", idempotency="event.data.k")
def once_a_key(ctx: inngest.ContextSync) -> object:
    return ctx.event.data["k"]


@function("throttled", throttle=inngest.Throttle(limit=1, period=seconds(2), burst=0))
def throttled(ctx: inngest.ContextSync) -> None:
    note(kind="at", what="throttled", time=time.time())


inside = 0
inside_lock = threading.Lock()


@function("one-at-a-time", concurrency=[inngest.Concurrency(limit=1)])
def one_at_a_time(ctx: inngest.ContextSync) -> None:
    def body() -> None:
        global inside
        with inside_lock:
            inside += 1
            note(kind="inside", number=inside)
        time.sleep(0.3)
        with inside_lock:
            inside -= 1

    ctx.step.run("body", body)


@function("single", singleton=inngest.Singleton(mode="skip", key="event.data.k"))
def single(ctx: inngest.ContextSync) -> object:
    ctx.step.sleep("sleep", seconds(2))
    return ctx.event.data["n"]


@function("newest", singleton=inngest.Singleton(mode="cancel"))
def newest(ctx: inngest.ContextSync) -> object:
    ctx.step.sleep("sleep", seconds(2))
    return ctx.event.data["n"]


@function("in-time", timeouts=inngest.Timeouts(finish=seconds(2)))
def in_time(ctx: inngest.ContextSync) -> None:
    ctx.step.sleep("sleep", datetime.timedelta(hours=1))


@function("big-state")
def big_state(ctx: inngest.ContextSync) -> int:
    return sum(len(ctx.step.run(f"part-{n}", lambda: "x" * 1_500_000)) for n in range(4))


@function("many", retries=10)
def many(ctx: inngest.ContextSync) -> int:
    """What is killed in the middle."""
    total = 0
    for number in range(3):
        total += ctx.step.run(f"s{number}", lambda n=number: ran(ctx, f"s{n}", 1))
        ctx.step.sleep(f"pause{number}", datetime.timedelta(milliseconds=300 + 200 * number))
    return total + ctx.step.run("last", lambda: ran(ctx, "last", 1))


@function("wild", event="wild/*")
def wild(ctx: inngest.ContextSync) -> str:
    return ctx.event.name


ticking = client.create_function(fn_id="ticking", trigger=inngest.TriggerCron(cron="* * * * *"))(
    lambda ctx: ctx.event.data["cron"]
)
functions.append(ticking)


@app.before_request
def before() -> None:
    if flask.request.path == "/api/inngest":
        note_call(
            flask.request.method, flask.request.args.to_dict(), dict(flask.request.headers), flask.request.get_data()
        )


inngest.flask.serve(app, client, functions)

if __name__ == "__main__":
    app.run(port=int(os.environ["APP_PORT"]), threaded=True)
