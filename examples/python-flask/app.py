"""A Flask app whose jobs run on Daybook. It imports Flask and the Inngest SDK, and knows nothing of Daybook."""

import datetime
import logging

import flask
import inngest
import inngest.flask

client = inngest.Inngest(app_id="shop", is_production=False, logger=logging.getLogger("shop"))
app = flask.Flask(__name__)

# What the outside world would be: a shop's stock, and mail that goes nowhere.
STOCK = {"tea": 12, "kettle": 1}


@client.create_function(
    fn_id="fulfil-order",
    trigger=inngest.TriggerEvent(event="order/placed", expression="event.data.quantity > 0"),
    retries=3,
    concurrency=[inngest.Concurrency(limit=2, key="event.data.customer")],
    cancel=[inngest.Cancel(event="order/cancelled", if_exp="event.data.order == async.data.order")],
)
def fulfil_order(ctx: inngest.ContextSync) -> dict[str, object]:
    step = ctx.step
    order = ctx.event.data

    left = step.run("reserve-stock", lambda: reserve(str(order["product"]), int(order["quantity"])))
    step.sleep("time-to-change-their-mind", datetime.timedelta(seconds=2))
    receipt = step.invoke_by_id(
        "charge",
        app_id="shop",
        function_id="charge-card",
        data={"customer": order["customer"], "amount": 4 * int(order["quantity"])},
    )
    step.send_event("tell-others", inngest.Event(name="order/fulfilled", data={"order": order["order"]}))
    paid = step.wait_for_event(
        "wait-for-payment",
        event="payment/settled",
        if_exp="event.data.order == async.data.order",
        timeout=datetime.timedelta(minutes=10),
    )
    return {"left": left, "receipt": receipt, "settled": paid is not None}


@client.create_function(fn_id="charge-card", trigger=inngest.TriggerEvent(event="card/charge"), retries=4)
def charge_card(ctx: inngest.ContextSync) -> str:
    def charge() -> str:
        # The first attempt fails, so that there is a retry to look at.
        if ctx.attempt == 0:
            raise RuntimeError("the bank did not answer")
        return f"receipt for {ctx.event.data['amount']}"

    return ctx.step.run("ask-the-bank", charge)


@client.create_function(fn_id="nightly-report", trigger=inngest.TriggerCron(cron="TZ=Europe/Berlin 0 3 * * *"))
def nightly_report(ctx: inngest.ContextSync) -> dict[str, int]:
    return ctx.step.run("count", lambda: dict(STOCK))


def reserve(product: str, quantity: int) -> int:
    if STOCK.get(product, 0) < quantity:
        raise inngest.NonRetriableError(f"only {STOCK.get(product, 0)} of {product} left")
    STOCK[product] -= quantity
    return STOCK[product]


inngest.flask.serve(app, client, [fulfil_order, charge_card, nightly_report])
