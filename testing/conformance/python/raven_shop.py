import json
import os

from raven import Client

# It wants the secret half that DSNs had in its time.
client = Client(os.environ["SENTRY_DSN"].replace("@", ":secret@"), release="shop@2.3.4")


class BasketError(Exception):
    pass


def check_out(basket):
    raise BasketError("the basket is empty")


def open_shop():
    # Frames of the library stand between this one and the last.
    return json.loads('{"basket": []}', object_hook=check_out)


client.user_context({"id": "buyer-7", "username": "buyer"})
client.tags_context({"basket": "green"})
client.captureBreadcrumb(category="shop", message="the shop opens", level="info")

try:
    open_shop()
except BasketError:
    client.captureException()

client.captureMessage("the shop closes", level="warning")
