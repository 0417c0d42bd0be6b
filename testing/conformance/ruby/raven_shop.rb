require "json"
require "sentry-raven"

class BasketError < StandardError; end

def check_out(_item)
  raise BasketError, "the basket is empty"
end

def open_shop
  # Frames of the library stand between this one and the last.
  JSON.load('{"basket": []}', method(:check_out))
end

Raven.configure do |config|
  # It wants the secret half that DSNs had in its time.
  config.dsn = ENV.fetch("SENTRY_DSN").sub("@", ":secret@")
  # A busy machine may need longer than it waits otherwise.
  config.timeout = 30
  config.open_timeout = 30
  config.release = "shop@2.3.4"
  config.project_root = __dir__
  # Looked for at the beginning of the path below that folder.
  config.app_dirs_pattern = /raven_shop/
end

Raven.user_context(id: "buyer-7", username: "buyer")
Raven.tags_context(basket: "green")
Raven.breadcrumbs.record do |breadcrumb|
  breadcrumb.category = "shop"
  breadcrumb.message = "the shop opens"
end

begin
  open_shop
rescue BasketError => e
  Raven.capture_exception(e)
end
Raven.capture_message("the shop closes", level: "warning")
