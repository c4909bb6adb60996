//! Requests as scanners and broken clients send them: each gets an answer that says what is wrong, or an end.

use super::*;

#[tokio::test]
async fn what_is_not_http_or_too_long_is_refused() {
    let served = serve(Router::new(), Limits::default()).await;
    for (request, status) in [
        ("\u{16}\u{3}\u{1} TLS?\r\n\r\n".to_owned(), "400"),
        ("GET /livez HTTP/1.1\r\nhost x\r\n\r\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(HEAD_BYTES_MAX)), "431"),
    ] {
        let mut stream = served.connect().await;
        // The server may end the connection before it has taken all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut start = [0; 12];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut start)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&start), format!("HTTP/1.1 {status}"));
    }
    assert_eq!(served.ask("GET", "/livez").await.status, 200);
}

#[tokio::test]
async fn a_body_is_read_whole_within_its_limit_only() {
    let length = post(|body: Bytes| async move { body.len().to_string() });
    let served = serve(Router::new().route("/length", length), Limits::default()).await;
    let head = "POST /length HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let sent = async |request: String| answer(served.connect_and_send(&request).await).await;

    let most = "a".repeat(BODY_BYTES_MAX);
    let taken = sent(format!("{head}content-length: {BODY_BYTES_MAX}\r\n\r\n{most}")).await;
    assert_eq!((taken.status, taken.body), (200, BODY_BYTES_MAX.to_string()));

    let one_more = BODY_BYTES_MAX + 1;
    let announced = sent(format!("{head}content-length: {one_more}\r\n\r\n")).await;
    assert_eq!((announced.status, announced.problem()), (413, json!("too_large")));
    let chunked = sent(format!("{head}transfer-encoding: chunked\r\n\r\n{one_more:x}\r\n{most}a")).await;
    assert_eq!((chunked.status, chunked.problem()), (413, json!("too_large")));
}

/// Requests to a server that has `/ok` beside the routes of every binary, and what they are answered with.
#[tokio::test]
async fn whatever_path_or_method_is_asked_for_is_answered_with_a_problem_at_most() {
    let served = serve(Router::new().route("/ok", get(|| async { "ok" })), Limits::default()).await;
    let long = format!("GET /{} HTTP/1.1", "a".repeat(8_000));
    let deep = format!("GET {} HTTP/1.1", "/..".repeat(2_000));
    let query = format!("GET /livez?{} HTTP/1.1", "a=b&".repeat(2_000));
    for (line, status, code) in [
        ("GET /livez HTTP/1.1", 200, None),
        ("GET http://elsewhere.example/livez HTTP/1.1", 200, None),
        ("GET /livez?next=//evil HTTP/1.1", 200, None),
        (query.as_str(), 200, None),
        ("GET // HTTP/1.1", 404, Some("not_found")),
        ("GET //livez HTTP/1.1", 404, Some("not_found")),
        ("GET /livez/ HTTP/1.1", 404, Some("not_found")),
        ("GET /livez%2f HTTP/1.1", 404, Some("not_found")),
        ("GET /%6civez HTTP/1.1", 404, Some("not_found")),
        ("GET /ok/../livez HTTP/1.1", 404, Some("not_found")),
        ("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", 404, Some("not_found")),
        ("GET /..%2f..%2fetc/passwd HTTP/1.1", 404, Some("not_found")),
        ("GET /livez%00 HTTP/1.1", 404, Some("not_found")),
        ("GET /livez;a=b HTTP/1.1", 404, Some("not_found")),
        ("GET /LIVEZ HTTP/1.1", 404, Some("not_found")),
        ("GET /%ff%fe HTTP/1.1", 404, Some("not_found")),
        (long.as_str(), 404, Some("not_found")),
        (deep.as_str(), 404, Some("not_found")),
        ("OPTIONS * HTTP/1.1", 404, Some("not_found")),
        ("CONNECT evil.example:443 HTTP/1.1", 404, Some("not_found")),
        ("OPTIONS /ok HTTP/1.1", 405, Some("method_not_allowed")),
        ("PUT /ok HTTP/1.1", 405, Some("method_not_allowed")),
        ("DELETE /livez HTTP/1.1", 405, Some("method_not_allowed")),
        ("TRACE /readyz HTTP/1.1", 405, Some("method_not_allowed")),
        ("PATCH /metrics HTTP/1.1", 405, Some("method_not_allowed")),
        ("PROPFIND /metrics HTTP/1.1", 405, Some("method_not_allowed")),
        ("get /livez HTTP/1.1", 405, Some("method_not_allowed")),
    ] {
        let shown = &line[..line.len().min(80)];
        let request = format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answered = answer(served.connect_and_send(&request).await).await;
        assert_eq!(answered.status, status, "{shown}");
        if let Some(code) = code {
            assert_eq!(answered.problem(), code, "{shown}");
        }
        assert_eq!(answered.header("allow"), (status == 405).then_some("GET,HEAD"), "{shown}");
    }
}

/// What is no request at all: an answer that says so, or only the end of the connection; and the server goes on.
#[tokio::test]
async fn what_is_no_request_ends_the_connection_and_nothing_else() {
    let served = serve(Router::new(), Limits::default()).await;
    let many_headers = format!("GET /livez HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(1_000));
    for request in [
        "GET /livez\0 HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET livez HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /li vez HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /livez HTTP/3.0\r\nhost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        "POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked, gzip\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: x\r\na\r\n\r\n",
        "GET /livez HTTP/1.1\r\nhost: x\r\n: b\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        &many_headers,
    ] {
        let mut stream = served.connect().await;
        let mut bytes = Vec::new();
        // The server may end the connection, also roughly, before it has taken all of it.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.shutdown().await;
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("an end");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{request:?}: {text}");
        assert_eq!(served.ask("GET", "/livez").await.status, 200, "{request:?}");
    }
}

#[tokio::test]
async fn a_body_where_none_is_wanted_is_read_and_left_alone() {
    let served = serve(Router::new(), Limits::default()).await;
    let head = "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let with_length = format!("{head}content-length: 5\r\n\r\nhello");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n");
    for request in [with_length, chunked] {
        assert_eq!(answer(served.connect_and_send(&request).await).await.status, 200, "{request}");
    }
    let broken = format!("{head}transfer-encoding: chunked\r\n\r\nzz\r\n");
    let refused = answer(served.connect_and_send(&broken).await).await;
    assert_eq!((refused.status, refused.problem()), (400, json!("bad_body")));
}
