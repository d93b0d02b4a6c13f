# The rules plot_(name) that draw the figures, one for each entry of the wings' registries.

for wing in wings:
    for name, figure in wing.figures.items():

        rule:
            name:
                f"plot_{name}"
            input:
                tables=figure.drawn_from,
            output:
                **({"html": f"{figure.stem}.html"} if figure.page else {}),
                pdf=f"{figure.stem}.pdf",
                png=report(
                    f"{figure.stem}.png",
                    caption=f"../report/{figure.caption}.rst",
                    category=wing.name,
                    labels={"figure": figure.title, **{key: f"{{{key}}}" for key in figure.wildcards}},
                ),
            log:
                log_of(f"plot_{name}", f"{figure.stem}.pdf"),
            group:
                figure.group
            conda:
                "../../envs/figures.yaml"
            params:
                code=digest("draw_figure", figure.draw, *([figure.page] if figure.page else [])),
                draw=figure.draw,
                page=figure.page,
                settings=of(figure.settings),
            message:
                figure.message
            script:
                "../scripts/draw_figure.py"

        getattr(rules, f"plot_{name}").rule.docstring = figure.about
