from lakehead.cli.main import main

main()
