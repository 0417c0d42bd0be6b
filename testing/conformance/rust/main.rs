use std::panic;

use sentry::protocol::Attachment;
use sentry::{Breadcrumb, ClientOptions, Level, User};

#[inline(never)]
fn check_out(basket: Option<u32>) -> u32 {
    match basket {
        Some(count) => count,
        None => panic!("the basket is empty"),
    }
}

// Frames of the library stand between this one and the last.
#[inline(never)]
fn open_shop() -> Option<u32> {
    Some(None).map(check_out)
}

fn main() {
    let dsn = std::env::var("SENTRY_DSN").expect("SENTRY_DSN");
    let _guard = sentry::init((
        dsn,
        ClientOptions::new().release("shop@2.3.4"),
    ));
    sentry::start_session();
    sentry::configure_scope(|scope| {
        scope.set_user(Some(User {
            id: Some("buyer-7".into()),
            username: Some("buyer".into()),
            ..Default::default()
        }));
        scope.set_tag("basket", "green");
    });
    sentry::add_breadcrumb(Breadcrumb {
        category: Some("shop".into()),
        message: Some("the shop opens".into()),
        level: Level::Info,
        ..Default::default()
    });
    sentry::with_scope(
        |scope| {
            scope.add_attachment(Attachment {
                buffer: b"two apples".to_vec(),
                filename: "basket.txt".into(),
                content_type: Some("text/plain".into()),
                ty: None,
            });
        },
        || {
            let _ = panic::catch_unwind(open_shop);
        },
    );
    sentry::capture_message("the shop closes", Level::Warning);
    sentry::end_session();
}
