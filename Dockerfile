# Two small images from one build: `docker build --target producer .` and `docker build --target consumer .`
# No shell inside, not root, and everything they need can be written to nowhere: they run with a read-only root.

# The version is that of rust-toolchain.toml, which is not copied: it also asks for clippy and rustfmt.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
ENV CARGO_INCREMENTAL=0

# First the dependencies alone, for empty crates: this layer stays until a Cargo.toml or Cargo.lock changes. Cargo wants
# every crate of the workspace to be there; programs and tests that a manifest names would have to be there too, so those
# sections are cut out.
COPY Cargo.toml Cargo.lock ./
COPY common/Cargo.toml common/
COPY producer/Cargo.toml producer/
COPY consumer/Cargo.toml consumer/
COPY broker/Cargo.toml broker/
COPY demo/Cargo.toml demo/
COPY e2e/Cargo.toml e2e/
RUN sed -i '/^\[\[/,/^$/d' ./*/Cargo.toml \
    && for crate in ./*/; do mkdir "$crate/src" && touch "$crate/src/lib.rs" && echo 'fn main() {}' >"$crate/src/main.rs"; done \
    && cargo build --locked --release -p producer -p consumer \
    && rm -r common producer consumer

# Then our own code. It is older than what was compiled for the empty crates, so cargo has to be told that it is new.
COPY common common
COPY producer producer
COPY consumer consumer
RUN find common producer consumer -name '*.rs' -exec touch {} + \
    && cargo build --locked --release -p producer -p consumer

# glibc, not musl: with many threads musl's allocator costs a good part of the speed.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
LABEL org.opencontainers.image.title="Tally" \
      org.opencontainers.image.licenses="MIT"
# By number, so that Kubernetes can see that it isn't root.
USER 65532:65532

FROM runtime AS producer
LABEL org.opencontainers.image.description="Generates realistic financial transactions into Kafka"
COPY --from=build /src/target/release/producer /usr/local/bin/producer
EXPOSE 8081
ENTRYPOINT ["/usr/local/bin/producer"]

FROM runtime AS consumer
LABEL org.opencontainers.image.description="Validates and aggregates transactions from Kafka exactly once"
COPY --from=build /src/target/release/consumer /usr/local/bin/consumer
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/consumer"]
