package shop;

import io.sentry.Attachment;
import io.sentry.Breadcrumb;
import io.sentry.Sentry;
import io.sentry.SentryLevel;
import io.sentry.protocol.User;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

public final class Shop {
  static final class BasketError extends RuntimeException {
    BasketError(String reason) {
      super(reason);
    }
  }

  static void checkOut(String basket) {
    throw new BasketError("the basket is empty");
  }

  // Frames of the library stand between this one and the last.
  static void openShop() {
    new ArrayList<>(List.of("basket")).forEach(Shop::checkOut);
  }

  public static void main(String[] args) {
    Sentry.init(
        options -> {
          options.setDsn(System.getenv("SENTRY_DSN"));
          options.setRelease("shop@2.3.4");
          options.addInAppInclude("shop");
        });
    Sentry.startSession();
    User user = new User();
    user.setId("buyer-7");
    user.setUsername("buyer");
    Sentry.setUser(user);
    Sentry.setTag("basket", "green");
    Breadcrumb breadcrumb = new Breadcrumb("the shop opens");
    breadcrumb.setCategory("shop");
    Sentry.addBreadcrumb(breadcrumb);
    try {
      openShop();
    } catch (BasketError error) {
      byte[] basket = "two apples".getBytes(StandardCharsets.UTF_8);
      Sentry.captureException(
          error, scope -> scope.addAttachment(new Attachment(basket, "basket.txt", "text/plain")));
    }
    Sentry.captureMessage("the shop closes", SentryLevel.WARNING);
    Sentry.endSession();
    Sentry.close();
  }
}
