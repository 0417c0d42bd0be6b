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


scope = sentry_sdk.get_isolation_scope()
scope.start_session(session_mode="application")
sentry_sdk.set_user({"id": "buyer-7", "username": "buyer"})
sentry_sdk.set_tag("basket", "green")
sentry_sdk.add_breadcrumb(category="shop", message="the shop opens", level="info")

with sentry_sdk.new_scope() as one:
    one.add_attachment(bytes=b"two apples", filename="basket.txt", content_type="text/plain")
    try:
        open_shop()
    except BasketError as error:
        sentry_sdk.capture_exception(error)

sentry_sdk.capture_message("the shop closes", level="warning")
scope.end_session()
sentry_sdk.flush(timeout=10)
