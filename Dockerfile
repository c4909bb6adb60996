# Two small images from one build: `docker build --target producer .` and `docker build --target consumer .`
# Statically linked, no shell inside, not root, and nothing to write to: they run with a read-only root.

# The version is that of rust-toolchain.toml, which is not copied: it also asks for clippy and rustfmt.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# crt-static with glibc rather than musl: with many threads musl's allocator costs a good part of the speed. Names are
# looked up all the same, as glibc has had `files` and `dns` built in since 2.34.
ENV CARGO_INCREMENTAL=0 \
    RUSTFLAGS="-C target-feature=+crt-static"
# First the dependencies alone, for empty crates: this layer stays until a Cargo.toml or Cargo.lock changes. Cargo wants
# every crate of the workspace to be there; programs and tests that a manifest names would have to be there too, so those
# sections are cut out. The target is named, for only then are build scripts and macros left out of RUSTFLAGS.
COPY Cargo.toml Cargo.lock ./
COPY common/Cargo.toml common/
COPY producer/Cargo.toml producer/
COPY consumer/Cargo.toml consumer/
COPY broker/Cargo.toml broker/
COPY demo/Cargo.toml demo/
COPY e2e/Cargo.toml e2e/
COPY bench/Cargo.toml bench/
RUN sed -i '/^\[\[/,/^$/d' ./*/Cargo.toml \
    && for crate in ./*/; do mkdir "$crate/src" && touch "$crate/src/lib.rs" && echo 'fn main() {}' >"$crate/src/main.rs"; done \
    && cargo build --locked --profile image --target "$(uname -m)-unknown-linux-gnu" -p producer -p consumer \
    && rm -r common producer consumer

# Then our own code. It is older than what was compiled for the empty crates, so cargo has to be told that it is new.
COPY common common
COPY producer producer
COPY consumer consumer
RUN find common producer consumer -name '*.rs' -exec touch {} + \
    && cargo build --locked --profile image --target "$(uname -m)-unknown-linux-gnu" -p producer -p consumer \
    && mkdir /out \
    && cp target/*/image/producer target/*/image/consumer /out/

FROM gcr.io/distroless/static-debian12:nonroot AS runtime
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tally" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# By number, so that Kubernetes can see that it isn't root.
USER 65532:65532

FROM runtime AS producer
LABEL org.opencontainers.image.description="Generates realistic financial transactions into Kafka"
COPY --from=build /out/producer /usr/local/bin/producer
EXPOSE 8081
# Ready, not only alive: nothing restarts a container for this, but `docker ps` and `depends_on` go by it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --start-interval=1s CMD ["/usr/local/bin/producer", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/producer"]

FROM runtime AS consumer
LABEL org.opencontainers.image.description="Validates and aggregates transactions from Kafka exactly once"
COPY --from=build /out/consumer /usr/local/bin/consumer
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --start-interval=1s CMD ["/usr/local/bin/consumer", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/consumer"]
