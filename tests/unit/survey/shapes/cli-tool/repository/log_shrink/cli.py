import os

import click


@click.command()
def main() -> None:
    click.echo(os.environ["SHRINK_TARGET"])


if __name__ == "__main__":
    main()
