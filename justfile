# Every chore of this repository. `just` lists them; each is one line that also works without just.

[private]
default:
    @just --list --unsorted

# The whole pipeline in one process, on the embedded broker: http://localhost:8080
run *ARGS:
    cargo run --release -- {{ ARGS }}

# The same on Apache Kafka in containers: http://localhost:8080
up:
    docker compose up --build

# Stop the containers; the data stays (`docker compose down -v` forgets it)
down:
    docker compose down

# Delete pods of the current kubectl context's cluster at random, and prove that nothing was lost (`--kills 20 --seed 7`)
heal *ARGS:
    deploy/heal {{ ARGS }}

# Every test; scenarios on Apache Kafka run where a Kafka can be had, and are shown as ignored where not
test *ARGS:
    cargo test --workspace {{ ARGS }}

# Every test, and failing where there is no Apache Kafka
test-kafka *ARGS:
    REQUIRE_KAFKA=1 cargo test --workspace {{ ARGS }}

# Format every crate
format:
    cargo fmt --all

# Formatting, linters, licences, clippy, documentation: all that runs nothing
lint:
    .ci/run lint

# Everything that has to hold before a change is merged (half an hour)
ci:
    .ci/run

# Fuzz the decoder of the wire format with garbage (needs nightly Rust and `cargo install cargo-fuzz`)
fuzz seconds="300":
    cd common && cargo +nightly fuzz run decode fuzz/corpus/decode fuzz/seeds/decode -- -dict=fuzz/json.dict -max_total_time={{ seconds }}

# Play histories of a whole cluster, each from its seed alone (CONTRIBUTING.md says how to play one again)
simulate schedules="100000" seed="1":
    SIMULATION_SCHEDULES={{ schedules }} SIMULATION_SEED={{ seed }} cargo test -p consumer --test cluster -- --nocapture

# Count a topic a second time with other code, and hold a consumer's summary against it (`--summary FILE`)
oracle *ARGS:
    cargo run --release -p e2e --bin oracle -- {{ ARGS }}

# Hurt three brokers, producers and consumers at random, then demand an exact account (`--minutes 10 --seed 7`)
chaos *ARGS:
    cargo run --release -p e2e --bin chaos -- {{ ARGS }}

# Tally beside Kafka's own tools, Go, Java, Kafka Streams and Python, on Apache Kafka (`throughput`, `latency`, `restart`, `scale`, `hostile-http`)
bench *ARGS:
    cargo run --release -p bench -- {{ ARGS }}

# Look at the dashboard in a real browser; `--screenshots docs/images` takes the README's pictures
page *ARGS:
    cargo build --release
    .ci/check-page.py {{ ARGS }}

# Give the dashboard what no consumer sends; needs no build
page-input *ARGS:
    .ci/check-page-input.py {{ ARGS }}

# Ask a real Prometheus every query of the dashboard and of the alerts, on a pipeline of its own (needs `prometheus`)
monitoring:
    cargo build -p broker -p producer -p consumer
    .ci/check-monitoring.py

# Fire every alert in promtool, and hold alerts and runbooks against each other (needs `promtool`)
alerts:
    .ci/check-alerts.py

# Hold docs/metrics.md against what the programs serve
metrics:
    cargo test -p e2e --test scenarios -- metrics

# Refuse records, mend them, send them again while that is killed, and see the ledger whole, on every broker that can be had
redrive:
    cargo test -p e2e --test scenarios -- letter

# Look at `consumer top` in a real terminal, by tmux (`--show` prints what it saw)
top *ARGS:
    cargo build --release -p demo -p consumer
    .ci/check-top.py {{ ARGS }}

# Ask the demo's HTTP API what its OpenAPI document says, rightly and wrongly (`--seed 7 --examples 1000`)
api *ARGS:
    cargo build --release
    .ci/check-api.py {{ ARGS }}

# Instructions of the hot path, a record, beside the ones written down (`--accept` writes them; needs valgrind)
instructions *ARGS:
    .ci/count-instructions.py {{ ARGS }}
