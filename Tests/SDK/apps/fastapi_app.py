"""A FastAPI app whose handlers are asynchronous."""

import asyncio
import datetime
import os

import fastapi
import inngest
import inngest.fast_api
import uvicorn
from log import note, note_call

client = inngest.Inngest(app_id="fastapi", is_production=os.environ.get("APP_SIGNED") == "1")
app = fastapi.FastAPI()


async def ran(ctx: inngest.Context, step: str, value: object = None) -> object:
    note(kind="ran", fn=ctx.event.name, run=ctx.run_id, step=step, attempt=ctx.attempt)
    return value


@client.create_function(fn_id="steps", trigger=inngest.TriggerEvent(event="fast/steps"), retries=1)
async def steps(ctx: inngest.Context) -> dict[str, object]:
    first = await ctx.step.run("first", lambda: ran(ctx, "first", 1))
    await ctx.step.sleep("nap", datetime.timedelta(seconds=1))
    both = await ctx.group.parallel(
        (
            lambda: ctx.step.run("a", lambda: ran(ctx, "a", "a")),
            lambda: ctx.step.run("b", lambda: ran(ctx, "b", "b")),
            lambda: ctx.step.wait_for_event("c", event="fast/c", timeout=datetime.timedelta(seconds=1)),
        )
    )
    # Across apps: Flask's function, called from here.
    doubled = await ctx.step.invoke_by_id("double", app_id="flask", function_id="double", data={"n": 4})
    await ctx.step.send_event("tell", inngest.Event(name="fast/told", data={"n": first}))
    return {"first": first, "both": list(both), "doubled": doubled}


@client.create_function(fn_id="told", trigger=inngest.TriggerEvent(event="fast/told"))
async def told(ctx: inngest.Context) -> object:
    return ctx.event.data["n"]


@client.create_function(fn_id="race", trigger=inngest.TriggerEvent(event="fast/race"), retries=0)
async def race(ctx: inngest.Context) -> object:
    """The slow branch is not waited for."""
    results = await ctx.group.parallel(
        (
            lambda: ctx.step.run("quick", lambda: ran(ctx, "quick", "quick")),
            lambda: ctx.step.wait_for_event("slow", event="fast/never", timeout=datetime.timedelta(seconds=2)),
        ),
        parallel_mode=inngest.ParallelMode.RACE,
    )
    return [result if isinstance(result, str) else None for result in results]


async def mourn(ctx: inngest.Context) -> None:
    note(kind="failed", data=ctx.event.data)


@client.create_function(
    fn_id="fails", trigger=inngest.TriggerEvent(event="fast/fails"), retries=1, on_failure=mourn
)
async def fails(ctx: inngest.Context) -> None:
    async def body() -> None:
        await ran(ctx, "body")
        raise ValueError("asynchronously")

    await ctx.step.run("body", body)


@client.create_function(fn_id="slow", trigger=inngest.TriggerEvent(event="fast/slow"))
async def slow(ctx: inngest.Context) -> str:
    """Longer than the pause between the keep-alive bytes of a streamed answer."""

    async def body() -> str:
        await asyncio.sleep(4)
        return "slow"

    return await ctx.step.run("body", body)


@app.middleware("http")
async def before(request: fastapi.Request, call_next):
    if request.url.path == "/api/inngest":
        note_call(request.method, dict(request.query_params), dict(request.headers), await request.body())
    return await call_next(request)


streaming = inngest.Streaming.FORCE if os.environ.get("APP_STREAMS") == "1" else None
inngest.fast_api.serve(app, client, [steps, told, race, fails, slow], streaming=streaming)

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ["APP_PORT"]), log_level="warning")
