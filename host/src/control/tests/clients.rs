//! Clients of all sorts: garbage, silence, impatience.
use super::*;

/// What the server says to these bytes, if it says anything.
fn say(path: &Path, bytes: &[u8]) -> Option<Value> {
    let mut stream = connect(path);
    // The server may have had enough before all is written.
    stream.write_all(bytes).unwrap_or_default();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_default();
    (!answer.is_empty()).then(|| serde_json::from_str(&answer).expect("one line of JSON"))
}

fn code(answer: Option<Value>) -> Value {
    answer.map_or(Value::Null, |answer| answer["refused"]["code"].clone())
}

#[test]
fn garbage_is_refused_and_the_next_client_is_served() {
    let (_directory, path) = place();
    let server = start(&path);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\n",
        b"\xff\xfe\n",
        b"{\"version\":1}\n",
        b"[[[[[[[[\n",
    ] {
        assert_eq!(code(say(&path, bytes)), "bad_request", "{bytes:?}");
    }
    assert_eq!(code(say(&path, b"{\"version\":9,\"request\":\"dance\"}\n")), "version");
    assert_eq!(code(say(&path, &vec![b'x'; MAX_REQUEST_BYTES + 2_000])), "bad_request");
    say(&path, &vec![b'{'; 1 << 20]);
    let answer = say(
        &path,
        b"{\"version\":1,\"request\":\"plugins\"}\nand more that nobody reads",
    )
    .expect("an answer");
    assert_eq!(answer["ok"]["running"][0], "file-audit");
    server.stop();
}

#[test]
fn a_request_without_its_end_is_refused() {
    let (_directory, path) = place();
    let server = start(&path);
    let mut stream = connect(&path);
    stream
        .write_all(b"{\"version\":1,\"request\":\"view\"}")
        .expect("it reads");
    stream.shutdown(std::net::Shutdown::Write).expect("a socket");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("ends with a newline"), "{answer}");
    server.stop();
}

#[test]
fn clients_that_say_nothing_are_shown_out_and_others_served() {
    let (_directory, path) = place();
    let server = start(&path);
    // More of them than there are places, and than the kernel queues: so some of them have to go first.
    let silent: Vec<UnixStream> = (0..20).map(|_| connect(&path)).collect();
    assert!(Client::new(&path).view().is_ok());
    for mut stream in silent.into_iter().take(4) {
        let mut answer = Vec::new();
        assert_eq!(stream.read_to_end(&mut answer).expect("closed"), 0);
    }
    server.stop();
}

#[test]
fn while_a_change_is_under_way_others_look_and_a_queue_of_changes_is_short() {
    let (_directory, path) = place();
    let ((enter, entered), (permit, leave)) = (bounded(8), bounded(8));
    let server = Server::start(
        &path,
        Arc::new(Fake {
            gate: Some((enter, leave)),
        }),
    )
    .expect("a free socket");
    let reload = || {
        let client = Client::new(&path);
        std::thread::spawn(move || client.reload())
    };
    let reloads: Vec<_> = (0..6).map(|_| reload()).collect();
    entered
        .recv_timeout(Duration::from_secs(20))
        .expect("one of them is under way");
    for _ in 0..5 {
        assert!(Client::new(&path).view().is_ok());
    }
    assert!(entered.is_empty(), "one at a time");
    // Two of the six are refused at once; the others have their turn.
    let (_open, never) = bounded::<()>(1);
    while reloads.iter().filter(|reload| reload.is_finished()).count() < 2 {
        never.recv_timeout(Duration::from_millis(5)).unwrap_or_default();
    }
    for _ in 0..3 {
        permit.send(()).expect("it waits");
        entered.recv_timeout(Duration::from_secs(20)).expect("the next");
    }
    permit.send(()).expect("it waits");
    let results: Vec<_> = reloads
        .into_iter()
        .map(|reload| reload.join().expect("no panic"))
        .collect();
    let is_busy = |result: &&Result<Reloaded, CallError>| matches!(result, Err(CallError::Refused(refused)) if refused.code == Code::Busy);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4, "{results:?}");
    assert_eq!(results.iter().filter(is_busy).count(), 2, "{results:?}");
    server.stop();
}

#[test]
fn what_is_no_daemon_is_not_believed() {
    let (_directory, path) = place();
    std::fs::create_dir_all(path.parent().expect("a directory")).expect("made");
    let listener = UnixListener::bind(&path).expect("a socket");
    let answers = [
        "",
        "hello\n",
        "{\"version\":2,\"ok\":{}}\n",
        "{\"version\":1,\"ok\":{\"plugins\":3}}\n",
        "{\"ver",
    ];
    let impostor = std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut request = [0; 512];
            assert!(stream.read(&mut request).expect("a request") > 0);
            stream.write_all(answer.as_bytes()).expect("sent");
        }
    });
    for answer in answers {
        let error = Client::new(&path).view().expect_err(answer);
        let is_told = matches!(error, CallError::Nonsense { .. } | CallError::Broken { .. });
        assert!(is_told, "{answer}: {error}");
    }
    impostor.join().expect("no panic");
}

#[test]
fn a_refusal_of_a_newer_daemon_is_still_told() {
    let line = r#"{"version":1,"refused":{"code":"moon_phase","message":"not today"}}"#;
    let answer: Answer<View> = serde_json::from_str(line).expect("an answer");
    let Outcome::Refused(refused) = answer.outcome else {
        panic!("a refusal");
    };
    assert_eq!((refused.code, &*refused.message), (Code::Other, "not today"));
}
