# What the examples share: sourced by each `run`. A POSIX shell and curl, nothing else.
#
# In: OTEL_EXPORTER_OTLP_ENDPOINT, where Andon listens; ANDON_CLICKHOUSE, where it stores, and who may read there.
# Out: a resource attribute `run.id` that nobody else sends; the functions below.
# Promised: ends with 0 only if what this run sent was stored, and counted exactly once.
: "${OTEL_EXPORTER_OTLP_ENDPOINT:=http://127.0.0.1:4318}" "${OTEL_EXPORTER_OTLP_PROTOCOL:=http/protobuf}"
: "${ANDON_CLICKHOUSE:=http://127.0.0.1:8123}" "${ANDON_DATABASE:=andon}" "${ANDON_READER_USERNAME:=reader}"
: "${ANDON_READER_PASSWORD:?the password of who may read, as Andon was started with}"
PATIENCE_S=${PATIENCE_S:-60}
RUN=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
OTEL_RESOURCE_ATTRIBUTES="${OTEL_RESOURCE_ATTRIBUTES:+$OTEL_RESOURCE_ATTRIBUTES,}run.id=$RUN"
export OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_PROTOCOL OTEL_RESOURCE_ATTRIBUTES
WORK=$(mktemp -d)
SERVER=
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf 'user = "%s:%s"\n' "$ANDON_READER_USERNAME" "$ANDON_READER_PASSWORD" >"$WORK/curl" # not for `ps` to show

leave() {
  [ -z "$SERVER" ] || kill -9 "$SERVER" 2>/dev/null || true
  rm -rf "$WORK"
}

refuse() {
  echo "$*" >&2
  exit 1
}

# need PROGRAM…: or say which is missing.
need() {
  for program; do command -v "$program" >/dev/null || refuse "$program is not installed"; done
}

# ask SQL: the answer, of the user who may only read.
ask() {
  curl -sS --fail-with-body --max-time 10 -K "$WORK/curl" --data-binary "$1" "$ANDON_CLICKHOUSE/?database=$ANDON_DATABASE"
}

# expect WHAT ANSWER SQL: wait until the answer is that one.
expect() {
  until_s=$(($(date +%s) + PATIENCE_S))
  until seen=$(ask "$3" 2>&1) && [ "$seen" = "$2" ]; do
    [ "$(date +%s)" -lt "$until_s" ] || refuse "after $PATIENCE_S s $1 should be $2, but is $seen"
    sleep 0.5
  done
  echo "ok  $1 is $2"
}

# promise INDICATOR…: Andon must know them; what was counted before this run is not ours.
promise() {
  for indicator; do
    (
      PATIENCE_S=$((PATIENCE_S / 4))
      expect "whether Andon knows $indicator, of this folder's slo/," yes \
        "SELECT if(count() > 0, 'yes', 'no') FROM definitions WHERE Name = '$indicator'"
    )
  done
  ask "SELECT Indicator, sum(Good), sum(Valid) FROM sli_slices GROUP BY Indicator" >"$WORK/before"
}

# stored TABLE ROWS [WHERE]: so many rows of this run, no fewer and no more.
stored() {
  expect "rows in $1${3:+ where $3}" "$2" \
    "SELECT count() FROM $1 WHERE ResourceAttributes['run.id'] = '$RUN' AND (${3:-true})"
}

# counted INDICATOR GOOD VALID: by this run.
counted() {
  before=$(awk -v name="$1" '$1 == name { print "(" $2 ", " $3 ")" }' "$WORK/before")
  expect "good in $1" "$2 of $3" "WITH ${before:-(0, 0)} AS before
    SELECT concat(toString(sum(Good) - before.1), ' of ', toString(sum(Valid) - before.2)) FROM sli_slices WHERE Indicator = '$1'"
}

# start SAYING COMMAND…: in the background, until it says so.
start() {
  saying=$1
  shift
  "$@" >"$WORK/server.log" 2>&1 &
  SERVER=$!
  until_s=$(($(date +%s) + PATIENCE_S))
  until grep -q "$saying" "$WORK/server.log"; do
    kill -0 "$SERVER" 2>/dev/null && [ "$(date +%s)" -lt "$until_s" ] || refuse "$1 does not work: $(cat "$WORK/server.log")"
    sleep 0.2
  done
}

# serve COMMAND…: one that says "listening on URL".
serve() {
  start 'listening on http:' "$@"
  URL=$(sed -n 's/.*listening on \(http:[^ ",]*\).*/\1/p' "$WORK/server.log")
}

# order: ten customers, two of whom the shop has to turn away with a 503.
order() {
  for number in 1 2 3 4 5 6 7 8 declined declined; do
    curl -sS --max-time 10 -o /dev/null -X POST "$URL/orders/$number"
  done
}

# stop: end the server kindly, so that it sends what it still has.
stop() {
  kill -TERM "$SERVER"
  until_s=$(($(date +%s) + PATIENCE_S))
  while kill -0 "$SERVER" 2>/dev/null; do
    [ "$(date +%s)" -lt "$until_s" ] || refuse "the server does not end: $(tail -n 20 "$WORK/server.log")"
    sleep 0.2
  done
  SERVER=
}
