#!/usr/bin/env python3
"""Write the configurations of log shippers for one's own paths and addresses, from those in deploy/logs/ and logstash/.

    scripts/configure_log_shipping.py TO [--logs DIR] [--elasticsearch HOST:PORT] [--loki URL]

Needs nothing but Python's standard library.
"""

import argparse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GAP = " " * 16
"""In Fluent Bit's columns."""
SHIPPERS = ("alloy", "fluent-bit", "fluentd", "logstash", "promtail", "rsyslog")


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("to", type=Path, metavar="TO", help="A directory; one is made in it for each shipper.")
    asked.add_argument("--logs", default="/var/log/quadra", help="QUADRA_LOGS_DIR of this machine.")
    asked.add_argument("--elasticsearch", default="elasticsearch:9200", metavar="HOST:PORT")
    asked.add_argument("--loki", default="http://loki:3100", metavar="URL")
    given = asked.parse_args()
    host, _, port = given.elasticsearch.rpartition(":")
    if not host or not port.isdecimal():
        asked.error("--elasticsearch: write it as host:port, such as elasticsearch:9200")
    if not Path(given.logs).is_absolute():
        asked.error("--logs: an absolute path, such as /var/log/quadra")
    changes = {
        "/var/log/quadra": given.logs.rstrip("/"),
        "http://loki:3100": given.loki.rstrip("/"),
        "elasticsearch:9200": given.elasticsearch,
        'server="elasticsearch"': f'server="{host}"',
        'serverport="9200"': f'serverport="{port}"',
        "host elasticsearch\n  port 9200": f"host {host}\n  port {port}",
        f"Host{GAP}elasticsearch\n    Port{GAP}9200": f"Host{GAP}{host}\n    Port{GAP}{port}",
    }
    for shipper in SHIPPERS:
        for source in sorted((ROOT / "deploy" / "logs" / shipper).rglob("*")):
            if source.is_file():
                text = source.read_text()
                for old, new in changes.items():
                    text = text.replace(old, new)
                target = given.to / shipper / source.relative_to(ROOT / "deploy" / "logs" / shipper)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
                print(target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
