require "json"
require "sentry-ruby"

class BasketError < StandardError; end

def check_out(_item)
  raise BasketError, "the basket is empty"
end

def open_shop
  # Frames of the library stand between this one and the last.
  JSON.load('{"basket": []}', method(:check_out))
end

Sentry.init do |config|
  config.dsn = ENV.fetch("SENTRY_DSN")
  config.release = "shop@2.3.4"
  config.project_root = __dir__
  config.app_dirs_pattern = /shop/
  config.background_worker_threads = 0
  config.breadcrumbs_logger = []
end

Sentry.set_user(id: "buyer-7", username: "buyer")
Sentry.set_tags(basket: "green")
Sentry.add_breadcrumb(Sentry::Breadcrumb.new(category: "shop", message: "the shop opens", level: "info"))

Sentry.with_session_tracking do
  Sentry.with_scope do |scope|
    if scope.respond_to?(:add_attachment)
      scope.add_attachment(bytes: "two apples", filename: "basket.txt", content_type: "text/plain")
    end
    begin
      open_shop
    rescue BasketError => e
      Sentry.capture_exception(e)
    end
  end
  Sentry.capture_message("the shop closes", level: :warning)
end
Sentry.session_flusher.flush
