import json
import os

import sentry_sdk

sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], release="shop@2.3.4")


class BasketError(Exception):
    pass


def check_out(basket):
    raise BasketError("the basket is empty")


def open_shop():
    # Frames of the library stand between this one and the last.
    return json.loads('{"basket": []}', object_hook=check_out)


hub = sentry_sdk.Hub.current
hub.start_session()
sentry_sdk.set_user({"id": "buyer-7", "username": "buyer"})
sentry_sdk.set_tag("basket", "green")
sentry_sdk.add_breadcrumb(category="shop", message="the shop opens", level="info")

with sentry_sdk.push_scope() as scope:
    scope.add_attachment(bytes=b"two apples", filename="basket.txt", content_type="text/plain")
    try:
        open_shop()
    except BasketError as error:
        sentry_sdk.capture_exception(error)

sentry_sdk.capture_message("the shop closes", level="warning")
hub.end_session()
hub.flush(timeout=10)
