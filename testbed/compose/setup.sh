#!/bin/sh
# setup.sh: the service `setup` of docker-compose.yml. It is started again with every `docker compose run`; the container that
# has made everything already, as its name tells, then has nothing to do. Another container, such as one of a new image or
# with other settings, looks at everything anew.
set -eu
maker=/testbed/made-by
[ "$(cat "$maker" 2>/dev/null)" = "$HOSTNAME" ] && exit 0
node testbed/compose/setup.ts
echo "$HOSTNAME" > "$maker"
