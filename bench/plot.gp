# cost per event against ledger size; input: CSV "credentials,ns per event" of bench_ledger --growth
# usage: gnuplot -e "input='growth.csv'; output_file='growth.svg'" bench/plot.gp
set terminal svg size 900,480 dynamic font "sans,13"
set output output_file
set datafile separator ","
set title "Durable ingest: cost per event while the ledger grows (submissions of 1,000, 30 % on existing credentials, full sync)"
set xlabel "credentials in the map, millions"
set ylabel "ns per event"
set yrange [0:*]
set grid
set key top left
plot input using ($1/1e6):2 with lines lw 1 lc rgb "#9db4c8" title "each 250,000 events", \
     input using ($1/1e6):2 smooth bezier lw 3 lc rgb "#1f4e79" title "smoothed"
