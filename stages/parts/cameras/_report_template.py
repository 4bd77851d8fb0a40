"""The page of a camera report, as a Jinja template; Python rather than HTML, so that what follows imports finds it."""

# ruff: noqa: E501 - a line of markup is one line

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Camera report of {{ title }}</title>
<style>
:root { --ink: #1d2430; --soft: #5d6778; --line: #e3e7ee; --paper: #fff; --blue: #2f6db3; --warn: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0; background: #f5f6f8; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 2.5rem 4rem; background: var(--paper); min-height: 100vh; }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .4rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; }
p { max-width: 44rem; margin: .4rem 0; }
.soft, .method { color: var(--soft); }
.warn { margin: 1rem 0 0; padding: 1rem 1.4rem; border-left: 6px solid var(--warn); background: color-mix(in srgb, var(--warn) 6%, white); }
.warn strong { color: var(--warn); } .warn ul { margin: .4rem 0 0; padding-left: 1.1rem; } .warn li { margin: .2rem 0; overflow-wrap: anywhere; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 1.2rem; margin: 1.2rem 0; }
.figures b { display: block; font-size: 1.7rem; font-weight: 600; line-height: 1.25; font-variant-numeric: tabular-nums; }
.figures b.none { font-size: 1.2rem; font-weight: 500; color: var(--soft); line-height: 1.75; }
.figures span { display: block; font-size: .87rem; color: var(--soft); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
th { text-align: left; font-weight: 600; font-size: .8rem; color: var(--soft); border-bottom: 1px solid var(--ink); padding: .3rem .8rem .3rem 0; vertical-align: bottom; }
td { padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; } td.number { white-space: nowrap; } td small { color: var(--soft); display: block; font-size: .8rem; }
th.name { min-width: 11rem; } td.unknown { color: #98a1af; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: .4rem 1.5rem; }
.plot { display: block; width: 100%; height: auto; max-width: 30rem; }
.plot .grid { stroke: var(--line); stroke-width: 1; } .plot .line { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.plot .tick { font-size: 10px; fill: var(--soft); } .plot .axis { font-size: 11px; fill: var(--soft); }
.strip { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: 1.1rem .9rem; margin: .8rem 0 1rem; align-items: end; }
figure { margin: 0; } .strip img { display: block; max-width: 100%; height: auto; } .strip figcaption { font-size: .78rem; line-height: 1.35; margin-top: .3rem; white-space: pre-line; overflow-wrap: anywhere; color: var(--soft); min-height: 4.2em; }
.method { font-size: .9rem; } .method p { max-width: 48rem; }
@media (max-width: 44rem) { main { padding: 1.4rem 1.1rem 3rem; } }
@media print { body { background: white; } main { padding: 0; } }
</style>
</head>
<body>
<main>
<h1>Camera report of {{ title }}</h1>
<p class="soft">{{ "{:,}".format(all.num_files) }} camera file{{ "s" if all.num_files != 1 }} developed with {{ demosaicer }}.</p>

<div class="figures">
<div><span>pixels clipped</span><b>{{ all.clipped_share | percent }}</b><span>mean over files</span></div>
<div><span>mean exposure</span><b{% if all.stops_below_saturation is none %} class="none"{% endif %}>{{ all.stops_below_saturation | fixed(1) }}</b><span>stops below saturation, green</span></div>
<div><span>noise at 18 % grey</span><b{% if all.noise_at_grey is none %} class="none"{% endif %}>{{ all.noise_at_grey | percent }}</b><span>{% if all.noise_at_grey is none %}too few flat patches{% elif all.noise_is_sure %}of the range, standard deviation{% else %}of the range, at most{% endif %}</span></div>
<div><span>colour error</span><b{% if all.color_error_ciede2000 is none %} class="none"{% endif %}>{{ all.color_error_ciede2000 | fixed(2) }}</b><span>{% if all.num_with_truth %}mean CIEDE2000, CPSNR {{ all.cpsnr_db | fixed(1, " dB") }}, n = {{ "{:,}".format(all.num_with_truth) }}{% else %}the true colours are not known{% endif %}</span></div>
</div>

{% if suspicions or all.num_without_white_balance or all.num_without_color_matrix %}
<section class="warn">
<strong>Look at these</strong>
<ul>
{% for name, line in suspicions %}
<li><b>{{ name }}</b>: {{ line }}</li>
{% endfor %}
{% if more %}<li>{{ "{:,}".format(more) }} more in camera.csv</li>{% endif %}
{% if all.num_without_white_balance %}<li>{{ "{:,}".format(all.num_without_white_balance) }} of {{ "{:,}".format(all.num_files) }} files state no usable white balance of their own.</li>{% endif %}
{% if all.num_without_color_matrix %}<li>{{ "{:,}".format(all.num_without_color_matrix) }} of {{ "{:,}".format(all.num_files) }} files state no colour matrix; their colours were taken for sRGB.</li>{% endif %}
</ul>
</section>
{% endif %}

{% if faults %}
<section class="warn">
<strong>{{ "{:,}".format(num_faults) }} file{{ "s" if num_faults != 1 }} could not be developed</strong>
<ul>
{% for line in faults %}
<li>{{ line }}</li>
{% endfor %}
{% if num_faults > faults | length %}<li>{{ "{:,}".format(num_faults - faults | length) }} more in camera.json</li>{% endif %}
</ul>
</section>
{% endif %}

{% macro unknown(value) %}{{ ' unknown' if value is none else '' }}{% endmacro %}
<h2>By camera</h2>
<div class="wide">
<table>
<thead><tr><th class="name">camera</th><th class="number">files</th><th class="number"></th><th class="number">clipped</th><th class="number">white<br>balance</th><th class="number">exposure,<br>stops</th><th class="number">noise at<br>18 % grey</th><th class="number">read<br>noise</th><th class="number">full well,<br>electrons</th><th class="number">colour error,<br>CIEDE2000</th></tr></thead>
<tbody>
{% for c in cameras %}
<tr>
<td>{{ c.title }}<small>{{ c.sizes }}, {{ c.cfa }}</small></td><td class="number">{{ "{:,}".format(c.num_files) }}</td>
<td class="number soft">red<br>green<br>blue</td>
<td class="number">{% for share in c.clipped_share_by_color %}{{ share | percent }}{% if not loop.last %}<br>{% endif %}{% endfor %}</td>
<td class="number">{% for gain in c.gains %}{{ gain | fixed(2) }}{% if not loop.last %}<br>{% endif %}{% endfor %}{% if c.num_without_white_balance %}<small>{{ c.num_without_white_balance }} not stated</small>{% endif %}</td>
<td class="number{{ unknown(c.stops_below_saturation) }}">{{ c.stops_below_saturation | fixed(1) }}</td>
{% if c.noise is none %}
<td class="number unknown">unknown</td><td class="number unknown">unknown</td><td class="number unknown">unknown</td>
{% else %}
<td class="number">{{ c.noise.noise_at_grey | percent }}{% if not c.noise.is_sure %}<small>at most</small>{% endif %}</td>
<td class="number">{% if c.noise.read_noise %}{{ "%.3g" | format(100 * c.noise.read_noise) }} %{% else %}<span class="soft">below<br>shot noise</span>{% endif %}</td>
<td class="number{{ unknown(c.noise.full_well_electrons) }}">{% if c.noise.is_sure %}{{ c.noise.full_well_electrons | rounded }}{% else %}<span class="soft">unsure</span>{% endif %}</td>
{% endif %}
<td class="number{{ unknown(c.color_error_ciede2000) }}">{{ c.color_error_ciede2000 | fixed(2) }}{% if c.cpsnr_db is not none %}<small>{{ c.cpsnr_db | fixed(1, " dB") }}</small>{% endif %}</td>
</tr>
{% endfor %}
</tbody>
</table>
</div>

{% for title, count, histogram, transfer in draw %}
<h3>{{ title }}</h3>
<div class="plots">
{{ histogram }}
{{ transfer }}
</div>
{% endfor %}
{% if num_hidden %}<p class="soft">{{ num_hidden }} more cameras and sensitivities are in camera.json.</p>{% endif %}

{% if groups %}
<h2>By audit group</h2>
{% for column, found in groups.items() %}
<h3>{{ column }}</h3>
<div class="wide">
<table>
<thead><tr><th>group</th><th class="number">files</th><th class="number">clipped</th><th class="number">exposure, stops</th><th class="number">white balance R G B</th><th class="number">noise at 18 % grey</th><th class="number">ΔE CIEDE2000</th><th class="number">CPSNR</th><th class="number">suspicious</th></tr></thead>
<tbody>
{% for name, g in found.items() %}
<tr><td>{{ name }}</td><td class="number">{{ "{:,}".format(g.num_files) }}</td><td class="number">{{ g.clipped_share | percent }}</td><td class="number{{ unknown(g.stops_below_saturation) }}">{{ g.stops_below_saturation | fixed(1) }}</td><td class="number">{{ g.gains | gains }}</td><td class="number{{ unknown(g.noise_at_grey) }}">{{ g.noise_at_grey | percent }}{% if not g.noise_is_sure and g.noise_at_grey is not none %}<small>at most</small>{% endif %}</td><td class="number{{ unknown(g.color_error_ciede2000) }}">{{ g.color_error_ciede2000 | fixed(2) }}</td><td class="number{{ unknown(g.cpsnr_db) }}">{{ g.cpsnr_db | fixed(1, " dB") }}</td><td class="number">{{ g.num_suspicious }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endfor %}
{% endif %}

{% if thumbs %}
<h2>Contact sheet</h2>
<p class="soft">{{ thumbs | length }} of {{ "{:,}".format(all.num_files) }} files, spread evenly.</p>
<div class="strip">
{% for address, caption in thumbs %}
<figure><img src="{{ address }}" alt=""><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
</div>
{% endif %}

<h2>Method</h2>
<div class="method">
<p><b>Histograms</b> count the mosaic's own numbers, after the black level and before white balance: red, green and blue by half stops below saturation. What lies lower than 14 stops, or below black, stands at the left end.</p>
<p><b>Clipped</b> is the share of pixels at the white level or above, a mean over files. <b>Exposure</b> is how many stops the mean of green lies below saturation.</p>
<p><b>Noise</b> is photon transfer on the pictures' own flat patches (Janesick 2007; Foi et al. 2008): the variance of 8 x 8 pixels of one colour against their signal, variance from the diagonal Haar coefficients, flatness judged by the others, which pure noise leaves independent. Slope: shot noise, its inverse the full well in electrons. Offset: read noise, as a share of the range from black to white. Files that a camera has denoised, compressed or bent by a curve show what is left, not the sensor; a picture that a simulated camera took brings its own grain. Where the points scatter widely about the line, texture is in them and the figure is an upper bound.</p>
<p><b>White balance</b> is the median gain used, the smallest 1. <b>Colour error</b> compares with the picture that a simulated camera took, at full size and before it is brought to the models' size: CIEDE2000 (D65) pixel by pixel, so noise and demosaicing count, and CPSNR over all pixels and channels, no border left out. For a real camera's file nobody knows the true colours, and the report says unknown.</p>
</div>
</main>
</body>
</html>
"""
