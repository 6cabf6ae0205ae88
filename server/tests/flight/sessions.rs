//! Sessions: what is set holds for who set it, and for nobody else.

use arrow_flight::{Action, FlightDescriptor};
use tonic::{Code, Request};

use crate::served::{Client, Served, ask};

async fn pushdown(client: &mut Client) -> String {
    ask(client, "SHOW genomdb.pushdown").await.table()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_holds_for_the_token_that_set_it() {
    let served = Served::start();
    let (mut one, mut other) = (served.client().await, served.client().await);
    for client in [&mut one, &mut other] {
        client.handshake("somebody", "").await.unwrap();
    }
    assert_ne!(one.token(), other.token());
    one.execute_update("SET genomdb.pushdown = false".to_owned(), None).await.unwrap();
    assert!(pushdown(&mut one).await.contains("false"));
    assert!(pushdown(&mut other).await.contains("true"));
    one.execute_update("RESET genomdb.pushdown".to_owned(), None).await.unwrap();
    assert!(pushdown(&mut one).await.contains("true"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_keeps_cookies_has_a_session() {
    let served = Served::start();
    let mut client = served.plain().await;
    let reply = client.get_flight_info(FlightDescriptor::new_cmd("SELECT 1")).await.unwrap();
    let cookie = reply.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    assert!(cookie.starts_with("arrow_flight_session_id="), "{cookie}");
    let mut kept = served.client().await;
    kept.set_header("cookie", format!("a=b; {cookie}"));
    kept.execute_update("SET genomdb.pushdown = false".to_owned(), None).await.unwrap();
    assert!(pushdown(&mut kept).await.contains("false"));
    assert!(pushdown(&mut served.client().await).await.contains("true"));
    let mut close = Request::new(Action::new("CloseSession", ""));
    close.metadata_mut().insert("cookie", cookie.parse().unwrap());
    let closed = client.do_action(close).await.unwrap();
    assert!(closed.metadata().get("set-cookie").unwrap().to_str().unwrap().contains("Max-Age=0"));
    assert!(pushdown(&mut kept).await.contains("true"), "the session is over");
}

/// The options are written as protocol buffers by hand here: a map of texts to values, of which a text is
/// field 1 and a truth field 2.
#[tokio::test(flavor = "multi_thread")]
async fn options_are_set_and_told() {
    let served = Served::start();
    let mut client = served.plain().await;
    let field = |number: u8, bytes: &[u8]| {
        let mut field = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
        field.extend_from_slice(bytes);
        field
    };
    let option = |name: &str, value: &[u8]| field(1, &[field(1, name.as_bytes()), field(2, value)].concat());
    let act =
        async |client: &mut arrow_flight::flight_service_client::FlightServiceClient<_>, name: &str, body| {
            let mut request = Request::new(Action::new(name, body));
            request.metadata_mut().insert("authorization", "Bearer me".parse().unwrap());
            client.do_action(request).await.unwrap().into_inner().message().await.unwrap().unwrap().body
        };
    let wishes = [
        option("schema", &field(1, b"main")),
        option("genomdb.pushdown", &[2 << 3, 0]),
        option("catalog", &field(1, b"elsewhere")),
        option("nothing", &field(1, b"x")),
    ];
    let errors = act(&mut client, "SetSessionOptions", wishes.concat()).await;
    let error = |name: &str, number: u8| option(name, &[1 << 3, number]);
    let (name, value) = (error("nothing", 1), error("catalog", 2));
    assert_eq!(errors.len(), name.len() + value.len(), "{errors:?}");
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(&errors, &name) && has(&errors, &value), "{errors:?}");
    let options = act(&mut client, "GetSessionOptions", Vec::new()).await;
    assert!(has(&options, &option("genomdb.pushdown", &field(1, b"false"))), "{options:?}");
    assert!(has(&options, &option("catalog", &field(1, b"genomdb"))));
    assert!(has(&options, &option("schema", &field(1, b"main"))));
    let garbage = client.do_action(Action::new("SetSessionOptions", vec![0xff; 9])).await.unwrap_err();
    assert_eq!(garbage.code(), Code::InvalidArgument);
}
