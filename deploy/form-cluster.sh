#!/bin/sh
# Forms the cluster of compose.yaml, once; run again, it starts what is there.
set -eu
cd "$(dirname "$0")"

compose() {
    docker compose --file compose.yaml "$@"
}

# Whether a node has a data folder already.
has_data() {
    compose run --rm --no-deps --entrypoint sh "$1" -c 'test -e /data/NODE'
}

compose build node1

# A cluster begins with a folder, as `genomdb load` would make it; it becomes node 1, and the others join it.
# Not if another node has data: then node 1 lost its disk, and joins like any other to be repaired.
if ! has_data node1 && ! has_data node2 && ! has_data node3 && ! has_data node4 && ! has_data node5; then
    compose run --rm --no-deps --env GENOMDB_CONNECT= node1 query 'SELECT 1 AS founded'
fi

compose up --detach
for node in 2 3 4 5; do
    compose exec -T node1 genomdb cluster join "$node" --timeout 300
done
compose exec -T node1 genomdb cluster status --wait 300 --healthy
