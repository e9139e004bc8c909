#!/bin/sh
# Put what npm has fetched to where the service hands it out, with a compressed copy beside each file.
set -eu
to=$1
mkdir -p "$to"
cp node_modules/aladin-lite/dist/aladin.js "$to/aladin.js"
cp node_modules/aladin-lite/LICENSE "$to/aladin.LICENSE"
cp node_modules/uplot/dist/uPlot.esm.js "$to/uplot.js"
cp node_modules/uplot/dist/uPlot.min.css "$to/uplot.css"
cp node_modules/uplot/LICENSE "$to/uplot.LICENSE"
cp node_modules/sampjs/samp.js "$to/samp.js"
for file in aladin.js uplot.js samp.js; do gzip -9 -n -k -f "$to/$file"; done
touch "$to/.ready"
