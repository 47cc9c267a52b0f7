/** A place where a node of the testbed pretends to stand, so that constraints on sites and regions have a meaning. */
export type Site = {
  readonly name: string;
  readonly country: string;
  readonly region: string;
  readonly latitude: number;
  readonly longitude: number;
};

/** Some of the sites that PlanetLab began with. */
const SITES: readonly Site[] = [
  { name: "princeton", country: "us", region: "america", latitude: 40.35, longitude: -74.65 },
  { name: "berkeley", country: "us", region: "america", latitude: 37.87, longitude: -122.26 },
  { name: "cambridge", country: "gb", region: "eu", latitude: 52.21, longitude: 0.09 },
  { name: "copenhagen", country: "dk", region: "eu", latitude: 55.7, longitude: 12.56 },
  { name: "bologna", country: "it", region: "eu", latitude: 44.5, longitude: 11.34 },
  { name: "sydney", country: "au", region: "pacific", latitude: -33.89, longitude: 151.19 },
];

/** The site of node number 1, 2, …: each its own, several of them in one city when there are more nodes than cities. */
export function siteOf(number: number): Site {
  const city = SITES[(number - 1) % SITES.length]!;
  const round = Math.ceil(number / SITES.length);
  return round === 1 ? city : { ...city, name: `${city.name}-${round}` };
}
