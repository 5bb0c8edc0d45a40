"""The checks of rule files, boards, inventories and Alertmanager files."""
