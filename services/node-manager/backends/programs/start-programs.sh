#!/bin/sh
# Run by the node once, as root inside, whenever a sliver has started and its network is there.
exec /bin/sh /usr/lib/slicelab/program boot
