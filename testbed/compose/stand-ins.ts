import { REQUIREMENTS } from "../requirements.ts";

/** An image that does what the one in docker-compose.yml does for it: one and the same system, started differently. */
export type StandIn = {
  /** The variable by which docker-compose.yml uses it. */
  readonly variable: string;
  readonly image: string;
  /** As a Dockerfile has them. */
  readonly instructions: readonly string[];
};

const DATA = "/var/lib/postgresql/data";

export const STAND_INS: readonly StandIn[] = [
  {
    variable: "SLICELAB_BASE",
    image: "slicelab-offline/base",
    instructions: ["ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  },
  {
    variable: "SLICELAB_POSTGRES",
    image: "slicelab-offline/postgres",
    instructions: [
      "ENV PATH=/usr/local/bin:/usr/lib/postgresql/15/bin:/usr/bin:/bin",
      `ENV PGDATA=${DATA}`,
      // Here, since mmdebstrap empties /run. A new volume is as what it covers.
      "RUN install -d -o postgres -g postgres -m 3777 /run/postgresql",
      "USER postgres",
      'ENTRYPOINT ["sh", "/usr/local/bin/postgres.sh"]',
    ],
  },
  {
    variable: "SLICELAB_REDIS",
    image: "slicelab-offline/redis",
    instructions: ["ENV PATH=/usr/local/bin:/usr/bin:/bin", "USER redis", "WORKDIR /data"],
  },
];

/** What all of them are made of: Debian's packages, and what else is in them. One system is made in a third of the time. */
export const SYSTEM = {
  packages: [
    ...["ca-certificates", "libatomic1", "libstdc++6", "mount"], // what a Node and node-manager.sh need
    ...REQUIREMENTS.filter(({ purposes }) => purposes.includes("demo")).map((one) => one.package),
    ...["postgresql-15", "redis-server"],
  ],
  /** What nobody reads in an image, and PostgreSQL's compiler, without which it works, too: a fifth of everything. */
  leftOut: [
    ...["doc", "info", "locale", "man"].map((what) => `/usr/share/${what}/*`),
    ...[
      "/usr/lib/postgresql/15/lib/bitcode/*",
      "/usr/lib/postgresql/15/lib/llvmjit*",
      "/usr/lib/*/libLLVM-*",
    ],
  ],
  /** Files of this project, and where they are in the images. */
  files: { "testbed/compose/postgres.sh": "usr/local/bin/postgres.sh" },
  /** Run with the system's root as $1: before its packages are configured, and at the end. */
  hooks: {
    early: [
      'mkdir -p "$1/etc/postgresql-common"',
      'echo create_main_cluster = false > "$1/etc/postgresql-common/createcluster.conf"',
    ],
    late: [
      'chroot "$1" useradd --uid 1000 --create-home node',
      `chroot "$1" install -d -o postgres -g postgres -m 700 ${DATA}`,
      'chroot "$1" install -d -o redis -g redis -m 755 /data',
    ],
  },
} as const;
