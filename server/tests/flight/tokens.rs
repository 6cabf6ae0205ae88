//! Who may call, where tokens are asked for.

use genomdb_server::{Role, http::Options};
use tonic::Code;

use crate::served::{Served, ask};

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_gives_the_token_back_that_was_the_password() {
    let served = Served::start_with(Options { authentication: true, ..Options::default() });
    let mut nobody = served.client().await;
    let refused = nobody.execute("SELECT 1".to_owned(), None).await.unwrap_err();
    assert!(refused.to_string().contains("Send a token"), "{refused}");
    let refused = nobody.handshake("somebody", "no token").await.unwrap_err();
    assert!(refused.to_string().contains("not known"), "{refused}");
    let (_, token) = served.node.accounts().create("r", Role::Reader, None).await.unwrap();
    let mut reader = served.client().await;
    reader.handshake("somebody", token.reveal()).await.unwrap();
    assert_eq!(reader.token().map(String::as_str), Some(token.reveal()));
    assert!(ask(&mut reader, "SELECT 1 AS one").await.table().contains('1'));
    let view = "CREATE VIEW v AS SELECT 1 AS one".to_owned();
    let refused = reader.execute_update(view, None).await.unwrap_err();
    assert!(refused.to_string().contains("r is a reader"), "{refused}");
    assert!(served.node.accounts().revoke("r").await.unwrap());
    let status = served.plain().await.list_actions(arrow_flight::Empty {}).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let refused = reader.execute("SELECT 1".to_owned(), None).await.unwrap_err();
    assert!(refused.to_string().contains("not known"), "{refused}");
}
