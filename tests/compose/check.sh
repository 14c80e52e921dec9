#!/bin/sh
# Bring docker-compose.yml up on images built here, do the main job from outside, restart everything, and take it down.
# Needs Docker and python3. Where no engine runs, root gets one for the duration; where there is a folder STAND_INS, its
# scripts build what no image registry brings. Ends only what it started; images stay for the next run.
set -eu
cd "$(dirname "$0")/../.."
here=tests/compose
stand_ins=${STAND_INS:-../shared/containers}
work=$(mktemp -d)
results=$work/results engine_pid='' compose='' stopping=''
: >"$results"

export COMPOSE_PROJECT_NAME="tuneplane-check-$$" COMPOSE_PROFILES=demo
export TUNEPLANE_IMAGE=tuneplane-check TUNEPLANE_SECRETS="$work/secrets" TUNEPLANE_PUBLISH=127.0.0.1:0

say() { echo "-- $*"; }
pass() { echo "ok      $*" | tee -a "$results"; }
die() {
  echo "not ok  $*" | tee -a "$results"
  exit 1
}

finish() {
  status=$?
  trap '' INT TERM
  trap - EXIT
  if [ -n "$stopping" ]; then
    [ "$status" = 0 ] || $compose logs --no-color --tail 15 api worker dispatcher migrate || true
    say "taking everything down"
    $compose down --volumes --remove-orphans >"$work/down.log" 2>&1 || { cat "$work/down.log"; status=1; }
  fi
  if [ -n "$engine_pid" ]; then
    kill "$engine_pid"
    wait "$engine_pid" || true
  fi
  failed=$(grep -c '^not ok' "$results" || true)
  [ "$status" = 0 ] || [ "$failed" != 0 ] || failed=1 # ended early, by a signal or a command that broke
  echo "$(grep -c '^ok' "$results" || true) passed, $failed failed"
  rm -rf "$work"
  [ "$failed" = 0 ] || exit 1
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || die "$1 is missing: install it, or run this as root on Debian"
  say "installing $*"
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } \
    >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; die "apt cannot install $*"; }
}

start_engine() {
  docker info >/dev/null 2>&1 && return
  [ "$(id -u)" = 0 ] || die "no Docker engine answers: start one, join its group, or run this as root"
  command -v dockerd >/dev/null || install docker.io iptables
  say "starting a Docker engine"
  setsid dockerd >"$work/dockerd.log" 2>&1 & # a session of its own: Ctrl-C must not end it before the containers
  engine_pid=$!
  tries=0
  until docker info >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" = 60 ] || ! kill -0 "$engine_pid" 2>/dev/null; then
      tail -n 20 "$work/dockerd.log"
      die "the Docker engine does not start"
    fi
    sleep 0.5
  done
}

find_images() {
  missing=''
  for image in "${PYTHON_IMAGE:-python:3.13-slim}" postgres:18 valkey/valkey:9; do
    docker image inspect "$image" >/dev/null 2>&1 || missing="$missing $image"
  done
  [ -n "$missing" ] && [ -x "$stand_ins/make-base-images.sh" ] || return 0 # the engine pulls what is missing
  command -v debootstrap >/dev/null || install debootstrap
  say "building$missing"
  # shellcheck disable=SC2086 # a list of names
  WORK=$work/images "$stand_ins/make-base-images.sh" $missing || die "the base images cannot be built"
}

find_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose='docker compose'
    return
  fi
  compose=${XDG_CACHE_HOME:-$HOME/.cache}/tuneplane/docker-compose
  if [ ! -x "$compose" ] && [ -x "$stand_ins/get-compose-v2.sh" ]; then
    "$stand_ins/get-compose-v2.sh" "${compose%/*}" >/dev/null
  fi
  [ -x "$compose" ] || die "docker compose is missing: install the compose plugin (docker-compose-plugin)"
}

bring_up() {
  $compose up -d "$@" >"$work/up.log" 2>&1 || { tail -n 40 "$work/up.log"; die "docker compose up $*"; }
}

await_health() {
  tries=0
  for container in $($compose ps -q postgres valkey api worker dispatcher emulator); do
    until [ "$(docker inspect -f '{{.State.Health.Status}}' "$container")" = healthy ]; do
      tries=$((tries + 1))
      [ "$tries" -lt 120 ] || { $compose ps -a; die "not every service gets healthy"; }
      sleep 1
    done
  done
  pass "$1"
}

main_job() {
  url=http://$($compose port api 8000)
  python3 "$here/main_job.py" "$1" "$url" "$work/state.json" >"$work/lines" || status=$?
  tee -a "$results" <"$work/lines"
  [ "${status:-0}" = 0 ] || exit 1
}

look_at_containers() {
  # shellcheck disable=SC2046 # a list of ids
  docker inspect $($compose ps -aq) >"$work/seen"
  # shellcheck disable=SC2046
  weak=$(docker inspect -f '{{.Name}} user={{.Config.User}}, read-only={{.HostConfig.ReadonlyRootfs}},
    {{- " "}}dropped={{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}' $($compose ps -aq) |
    grep -Ev 'user=[a-z1-9][a-z0-9:]*, read-only=true, dropped=\[(CAP_)?ALL\] \[no-new-privileges:true\]' || true)
  [ -z "$weak" ] || die "weak: $weak"
  pass "no container is root, can write to its image or gain privileges"

  $compose logs --no-color >>"$work/seen" 2>&1
  # Of an address only the password is a secret.
  sed -E 's/^requirepass //; s#^.*://[^:]*:([^@]*)@.*#\1#' "$TUNEPLANE_SECRETS"/* >"$work/secrets.txt"
  if grep -Fqf "$work/secrets.txt" "$work/seen"; then die "a secret shows in logs or settings"; fi
  pass "none of $(sort -u "$work/secrets.txt" | grep -c .) secrets shows in logs or settings"
}

stop_softly() {
  $compose stop >"$work/stop.log" 2>&1
  # shellcheck disable=SC2046
  killed=$(docker inspect -f '{{.Name}} {{.State.ExitCode}}' $($compose ps -aq) | grep ' 137$' || true)
  [ -z "$killed" ] || die "had to be killed: $killed"
  pass "every process ends when asked"
}

start_engine
find_images
find_compose
sh $here/make-secrets.sh "$TUNEPLANE_SECRETS" >/dev/null

say "bringing everything up"
stopping=yes
bring_up --build
await_health "every service is healthy"
[ "$(docker wait "$($compose ps -aq bootstrap)")" = 0 ] || { $compose logs bootstrap; die "bootstrap"; }
OPERATOR_KEY=$($compose logs --no-log-prefix bootstrap | grep -o 'tp_[A-Za-z0-9_]*')
export OPERATOR_KEY
main_job first
look_at_containers

say "stopping, removing the containers, and bringing them up again with two of each that may be two"
stop_softly
$compose down >"$work/down.log" 2>&1
bring_up --scale worker=2 --scale dispatcher=2
await_health "every service is healthy again"
main_job again
