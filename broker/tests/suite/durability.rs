//! What survives: restarts, kills of the real process in the middle of writing, and two brokers that want one folder.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use broker::{Broker, BrokerConfig, BrokerError};
use kafka_protocol::messages::{FetchRequest, ProduceRequest};
use rskafka::client::partition::{Compression, OffsetAt};

use crate::raw::{Raw, batch, fetch_request, produce_request};
use crate::stage::{Partition, Stage, client, in_time, until};

/// The real binary; killed when dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    /// Starts it and reads its address from the log.
    fn start(data_dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_broker"))
            .args(["--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().expect("UTF-8")])
            .env("NO_COLOR", "1")
            .env("RUST_LOG", "info")
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = lines.find_map(|line| {
            let line = line.expect("text");
            let found = line.split_once("address=")?.1.split_whitespace().next()?.parse().ok();
            assert!(line.contains("development"), "the start-up line says what this is: {line}");
            found
        });
        // Read on, so that the broker never waits for someone to read its log.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("the address in the start-up line") }
    }

    fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is fine here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_broker")).args(args).env("NO_COLOR", "1").output().expect("runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let mut stage = Stage::new().await;
    stage.topic("t", 2, &[("retention.ms", "-1")]).await;
    stage.partition("t", 1).await.produce(&["a", "b"], Compression::Snappy).await;
    let before = in_time(stage.krafka().await.admin().describe_cluster(Default::default())).await.unwrap().cluster_id;
    stage.restart().await;
    let after = in_time(stage.krafka().await.admin().describe_cluster(Default::default())).await.unwrap().cluster_id;
    assert_eq!(before, after, "the cluster's id");
    let topics = in_time(client(stage.address()).await.list_topics()).await.unwrap();
    assert_eq!(
        topics.iter().map(|topic| (topic.name.as_str(), topic.partitions.len())).collect::<Vec<_>>(),
        [("t", 2)]
    );
    let partition = stage.partition("t", 1).await;
    assert_eq!(partition.all().await, [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(partition.produce(&["c"], Compression::NoCompression).await, [2]);
}

#[tokio::test]
async fn every_acknowledged_record_survives_kills_in_the_middle_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: Vec<(i64, String)> = Vec::new();
    for round in 0..4 {
        let process = Process::start(dir.path());
        let mut raw = Raw::connect(process.address).await;
        if round == 0 {
            in_time(client(process.address).await.controller_client().unwrap().create_topic("t", 1, 1, 1_000))
                .await
                .expect("created");
        }
        // The kill comes while this task writes, at no particular moment.
        let writing = tokio::spawn(async move {
            let mut written = Vec::new();
            for n in 0.. {
                let value = format!("{round}-{n}-{}", "x".repeat(20_000));
                let request = produce_request("t", batch(&[value.as_str()], None, 1), -1);
                let answered = match raw.try_send(9, &request).await {
                    Ok(()) => raw.try_receive::<ProduceRequest>(9).await,
                    Err(gone) => Err(gone),
                };
                let Ok(answer) = answered else { break };
                written.push((answer.responses[0].partition_responses[0].base_offset, value));
            }
            written
        });
        let reader = Partition::connect(process.address, "t", 0).await;
        let grown = i64::try_from(acknowledged.len()).unwrap() + 50;
        until("fifty more", || async {
            in_time(reader.0.get_offset(OffsetAt::Latest)).await.is_ok_and(|end| end >= grown)
        })
        .await;
        process.kill();
        acknowledged.extend(in_time(writing).await.expect("the writer ends when the broker is gone"));
    }
    let process = Process::start(dir.path());
    let all = Partition::connect(process.address, "t", 0).await.all().await;
    let lost: Vec<_> = acknowledged.iter().filter(|record| !all.contains(record)).map(|(offset, _)| offset).collect();
    assert!(lost.is_empty(), "lost offsets: {lost:?}");
    assert!(all.iter().map(|(offset, _)| *offset).eq(0..i64::try_from(all.len()).unwrap()), "no gap, none twice");
}

#[tokio::test]
async fn a_second_broker_on_the_same_folder_is_refused() {
    let stage = Stage::new().await;
    let config = BrokerConfig::new("127.0.0.1:0".parse().unwrap(), stage.data_dir().to_owned());
    let error = Broker::start(config).await.expect_err("refused");
    assert!(matches!(error, BrokerError::DataDirInUse { .. }), "{error}");
    let (code, said) = run(&["--listen", "127.0.0.1:0", "--data-dir", stage.data_dir().to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(said.contains("in use by another broker"), "{said}");
}

#[tokio::test]
async fn a_stopped_broker_gives_its_folder_and_its_port_free_at_once() {
    let mut stage = Stage::new().await;
    let address = stage.address();
    for _ in 0..3 {
        stage.stop().await;
        let config = BrokerConfig::new(address, stage.data_dir().to_owned());
        in_time(Broker::start(config).await.expect("starts again").stop()).await.expect("stops");
        stage = Stage::new().await;
    }
}

#[tokio::test]
async fn wrong_configurations_end_with_code_2_and_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new().await;
    let taken = stage.address().to_string();
    let (code, said) = run(&["--listen", &taken, "--data-dir", dir.path().to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&taken) && said.contains("--listen"), "{said}");
    assert_eq!(run(&["--listen", "nonsense"]).0, Some(2));
    let file = dir.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let (code, said) = run(&["--listen", "127.0.0.1:0", "--data-dir", file.to_str().unwrap()]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("a-file"), "{said}");
}

#[tokio::test]
async fn a_signal_stops_the_process_in_order_also_while_a_client_waits() {
    for signal in ["TERM", "INT"] {
        let dir = tempfile::tempdir().unwrap();
        let mut process = Process::start(dir.path());
        in_time(client(process.address).await.controller_client().unwrap().create_topic("t", 1, 1, 1_000))
            .await
            .unwrap();
        let mut waiting = Raw::connect(process.address).await;
        let fetch = fetch_request("t", 0, 100).with_min_bytes(1).with_max_wait_ms(25_000);
        waiting.send(12, &fetch).await;
        let pid = process.child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        let answer = waiting.receive::<FetchRequest>(12).await;
        assert_eq!(answer.responses[0].partitions[0].error_code, 0, "whoever waits is answered");
        let status = in_time(tokio::task::spawn_blocking(move || process.child.wait().map(|status| (status, process))));
        assert_eq!(status.await.unwrap().unwrap().0.code(), Some(0), "SIG{signal}");
    }
}

#[tokio::test]
async fn a_topic_folder_without_its_file_is_not_a_topic() {
    let mut stage = Stage::new().await;
    stage.topic("whole", 1, &[]).await;
    stage.stop().await;
    // As a kill leaves it in the middle of a creation, and something that is none of the broker's business.
    let topics = stage.data_dir().join("topics");
    let half = topics.join("half.0123456789abcdef0123456789abcdef");
    std::fs::create_dir_all(half.join("0")).unwrap();
    std::fs::create_dir_all(topics.join("my notes")).unwrap();
    let config = BrokerConfig::new("127.0.0.1:0".parse().unwrap(), stage.data_dir().to_owned());
    let broker = Broker::start(config).await.expect("starts");
    let there = in_time(client(broker.address()).await.list_topics()).await.unwrap();
    assert_eq!(there.len(), 1);
    assert!(!half.exists() && topics.join("my notes").exists());
    in_time(broker.stop()).await.unwrap();
}
